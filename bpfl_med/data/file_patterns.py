"""How the config of a data set names its files: by glob patterns, and by templates that a picture's path fills."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bpfl_med.files.picture_suffixes import PICTURE_SUFFIXES


def existing_folder(root: str | Path) -> Path:
    """Give the folder of a data set as a path.

    Raises:
        FileNotFoundError: if it is not there.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder {root}; set dataset_dir to where the data set lies")
    return root


def matching_files(
    root: Path, patterns: Sequence[str], suffixes: tuple[str, ...] = PICTURE_SUFFIXES, what: str = "picture"
) -> list[Path]:
    """List the files that match glob patterns, pattern by pattern, each sorted by path, without hidden ones.

    Args:
        root: the patterns are below it.
        patterns: such as "yes/*"; those that begin with "!" take away again what they match, such as "!test/good/*".
        suffixes: lower-case endings of the files that are meant.
        what: they are.

    Raises:
        FileNotFoundError: if a pattern matches no such file.
    """
    taken_away: set[Path] = set()
    found: list[Path] = []
    for pattern in sorted(patterns, key=lambda pattern: not pattern.startswith("!")):
        matches = sorted(
            path
            for path in root.glob(pattern.removeprefix("!"))
            if path.name.lower().endswith(suffixes)
            and not any(part.startswith(".") and part != ".." for part in path.relative_to(root).parts)
        )
        if not matches:
            raise FileNotFoundError(
                f"No {what} in {root} matches {pattern!r}; check dataset_dir and the patterns of the data set"
            )
        if pattern.startswith("!"):
            taken_away.update(matches)
        else:
            found += [path for path in matches if path not in taken_away]
    return found


def path_fields(path: Path) -> dict[str, str]:
    """Give the fields that a template may use of a picture's path relative to the data set's folder."""
    return {
        "parent": path.parent.as_posix(),
        "folder": path.parent.name,
        "above": path.parent.parent.name,
        "top": path.parts[0] if len(path.parts) > 1 else "",
        "name": path.name,
        "stem": path.stem,
        "suffix": path.suffix,
    }


def filled(template: str, fields: Mapping[str, Any], source: str) -> str:
    """Put fields into a template such as "{stem}.png".

    Raises:
        ValueError: if there is no field of that name; `source` begins the sentence.
    """
    try:
        return template.format(**fields)
    except KeyError as error:
        raise ValueError(f"{source} has no {error}, which {template!r} asks for; it has {', '.join(fields)}") from error


def mask_file(root: Path, template: str, picture: Path) -> Path | None:
    """Give the path of a picture's mask, or None if the template is a glob pattern that matches no file.

    Args:
        root: of the data set.
        template: relative to `root`, with the fields of `path_fields`, and "*" where the mask's own ending varies.
        picture: below `root`.

    Raises:
        ValueError: if several files match.
    """
    fields = path_fields(picture.relative_to(root))
    if "*" not in template:
        return root / filled(template, fields, "A path")
    pattern = filled(template, {key: glob.escape(value) for key, value in fields.items()}, "A path")
    matches = sorted(root.glob(pattern))
    if len(matches) > 1:
        raise ValueError(f"{picture} has {len(matches)} masks that match {template!r}, such as {matches[0]}; leave one")
    return matches[0] if matches else None
