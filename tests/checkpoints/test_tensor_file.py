from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bpfl_med.checkpoints import read_tensors, tensor_file

TENSORS = {"a": torch.arange(5.0), "b": torch.eye(3)}


class RunsCode:
    """Unpickling this the ordinary way creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


def test_dicts_come_back_as_they_were(tmp_path: Path) -> None:
    torch.save({"outer": TENSORS}, tmp_path / "new.pt")
    torch.save({"outer": TENSORS}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("new.pt", "old.pt"):
        found = read_tensors(tmp_path / name)["outer"]
        assert found.keys() == TENSORS.keys()
        assert all(torch.equal(found[key], value) for key, value in TENSORS.items())
    save_file(TENSORS, tmp_path / "file.safetensors")
    assert torch.equal(read_tensors(str(tmp_path / "file.safetensors"))["b"], TENSORS["b"])


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no weights file .*nowhere\.pt; give the path"):
        read_tensors(tmp_path / "nowhere.pt")


@pytest.mark.parametrize("layout", ["new.pt", "old.pt", "file.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.95])
def test_truncated_files(layout: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / layout
    if layout == "file.safetensors":
        save_file(TENSORS, path)
    else:
        torch.save(TENSORS, path, _use_new_zipfile_serialization=layout == "new.pt")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=rf"{layout} (cannot be read as weights|is no file of weights)"):
        read_tensors(path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the addresses of a process")
def test_a_lack_of_memory_is_not_taken_for_a_damaged_file(tmp_path: Path) -> None:
    """In a process of its own, whose addresses are limited once everything is imported."""
    torch.save({"a": torch.zeros(50_000_000)}, tmp_path / "a.pt")
    save_file({"a": torch.zeros(50_000_000)}, tmp_path / "a.safetensors")
    program = """
import resource, sys
from pathlib import Path
from bpfl_med.checkpoints import read_tensors
from bpfl_med.workflow.plain_errors import memory_advice
pages = int(Path("/proc/self/statm").read_text().split()[0])
for room in (100_000_000, 280_000_000):
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room, resource.RLIM_INFINITY))
    try:
        read_tensors(sys.argv[1])
    except Exception as error:
        print(memory_advice(error) or error)
"""
    for name in ("a.pt", "a.safetensors"):
        done = subprocess.run([sys.executable, "-c", program, tmp_path / name], capture_output=True, text=True)
        assert done.stdout, done.stderr
        for line in done.stdout.splitlines():
            assert line.startswith("there is not enough memory in this machine"), line


def test_damaged_and_foreign_files_always_give_the_same_kind_of_error(tmp_path: Path) -> None:
    """Bytes at random make the unpickler raise anything."""
    path = tmp_path / "foreign.pt"
    generator = torch.Generator().manual_seed(0)
    junk = [bytes(torch.randint(256, (n,), generator=generator).tolist()) for n in range(1, 100)]
    for content in [b"<html>404</html>", b"{}", b"\x89PNG\r\n", *junk, *(b"\x80\x02" + piece + b"." for piece in junk)]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"foreign\.pt"):
            read_tensors(path)


@pytest.mark.parametrize("new_layout", [True, False, None])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_pickle_is_not_run(new_layout: bool | None, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "hostile.pt"
    if new_layout is None:
        path.write_bytes(pickle.dumps({"a": RunsCode(marker)}))
    else:
        torch.save({"a": RunsCode(marker)}, path, _use_new_zipfile_serialization=new_layout)
    with pytest.raises(ValueError, match=r"hostile\.pt is no file of weights, or holds more .* could run code"):
        read_tensors(path)
    assert not marker.exists()
    torch.load(path, weights_only=False) if new_layout is not None else pickle.loads(path.read_bytes())
    assert marker.exists()  # the file was armed


def test_other_contents_are_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ValueError, match=r"list\.pt holds no dict of tensors but a list"):
        read_tensors(tmp_path / "list.pt")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(ValueError, match="holds more than weights"):
        read_tensors(tmp_path / "module.pt")


class TestTorchScript:
    @pytest.fixture
    def archive(self, tmp_path: Path) -> Path:
        torch.jit.trace(torch.nn.Linear(2, 3), torch.zeros(1, 2)).save(tmp_path / "archive.pt")
        return tmp_path / "archive.pt"

    def test_archives_of_unknown_makers_are_refused(self, archive: Path) -> None:
        with pytest.raises(ValueError, match=r"TorchScript archive, which can run code, .*SHA-256 [0-9a-f]{64}"):
            read_tensors(archive)

    def test_archives_are_read_where_they_are_trusted(self, archive: Path) -> None:
        assert read_tensors(archive, trust_torchscript=True).keys() == {"weight", "bias"}

    def test_archives_that_openai_published_need_no_trust(self, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert len(tensor_file.openai_checksums()) >= 9  # RN50 to RN50x64, ViT-B/32 to ViT-L/14@336px
        own = frozenset({hashlib.sha256(archive.read_bytes()).hexdigest()})
        monkeypatch.setattr(tensor_file, "openai_checksums", lambda: own)
        assert read_tensors(archive).keys() == {"weight", "bias"}

    def test_damaged_archives(self, archive: Path) -> None:
        damaged = archive.with_name("damaged.pt")
        with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(damaged, "w") as part:
            for name in whole.namelist():
                if not name.endswith("data.pkl"):
                    part.writestr(name, whole.read(name))
        with pytest.raises(ValueError, match=r"damaged\.pt cannot be read as weights"):
            read_tensors(damaged, trust_torchscript=True)
