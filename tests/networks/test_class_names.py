from __future__ import annotations

import open_clip
import pytest

from bpfl_med.networks.class_names import start_token_id, tokenize_class_names, vocabulary_size


@pytest.mark.parametrize("name", ["brain", "head CT", "Chest X-Ray", "métal nut", "knee, left side!", "t1-weighted 3d"])
def test_tokens_are_those_that_open_clip_gives_the_whole_text(name: str) -> None:
    whole = open_clip.tokenize([f"X {name}"])[0].tolist()
    (ids,), (end,) = tokenize_class_names([name], 75)
    assert [start_token_id(), whole[1], *ids.tolist()] == whole[: end + 3]
    assert not any(whole[end + 3 :])


def test_names_of_different_length_are_padded_behind_their_ends() -> None:
    ids, end = tokenize_class_names(["brain", "head ct of a child"], 75)
    last = vocabulary_size() - 1
    assert [row[i] for row, i in zip(ids.tolist(), end.tolist(), strict=True)] == [last, last]
    assert ids.shape[1] == end.max() + 1
    assert ids[0, end[0] + 1 :].tolist() == [0] * int(end[1] - end[0])


@pytest.mark.parametrize(
    ("alias", "spoken"),
    [("pcb4", "printed circuit board"), ("chewinggum", "chewing gum"), ("metal_nut", "metal nut"), ("Brain", "brain")],
)
def test_aliases_and_case(alias: str, spoken: str) -> None:
    assert tokenize_class_names([alias], 75)[0].tolist() == tokenize_class_names([spoken], 75)[0].tolist()


def test_an_alias_is_looked_up_before_lower_case_as_the_released_program_does() -> None:
    assert tokenize_class_names(["PCB4"], 75)[0].tolist() != tokenize_class_names(["pcb4"], 75)[0].tolist()


def test_the_longest_name_that_fits() -> None:
    name = " ".join(["lung"] * 9)
    assert tokenize_class_names([name], 10)[1].tolist() == [9]
    with pytest.raises(ValueError, match=r"needs 10 text tokens, and there is room for 9; use a shorter name"):
        tokenize_class_names(["brain", name], 9)


@pytest.mark.parametrize("name", ["", "  ", "\t\n"])
def test_a_name_must_say_something(name: str) -> None:
    with pytest.raises(ValueError, match="must say what the image shows"):
        tokenize_class_names(["brain", name], 75)


@pytest.mark.parametrize("name", ["<end_of_text>", "brain <start_of_text> lung"])
def test_a_name_holds_no_token_that_would_end_the_prompt(name: str) -> None:
    with pytest.raises(ValueError, match="must say what the image shows"):
        tokenize_class_names([name], 75)
