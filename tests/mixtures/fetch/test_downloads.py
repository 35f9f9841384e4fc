"""What there is to fetch, where members of archives go, and how much of a download is there."""

from pathlib import Path, PurePosixPath

import pytest

from mix665k.builders.registry import SOURCES
from mix665k.mixtures.fetch.downloads import Job, count_images, image_jobs, missing, raw_jobs, status_of
from mix665k.mixtures.fetch.fetched import Entry, FetchedRecord, FileEntry
from mix665k.schemas.errors import FetchError
from mix665k.schemas.files import sha256_of


def job_of(source: str, raw: Path) -> Job:
    """The only raw download of a source, or its first."""
    return raw_jobs([SOURCES[source]], raw)[0]


def test_files_of_one_archive_are_one_job(tmp_path: Path) -> None:
    [vqav2, annotations] = raw_jobs([SOURCES["vqav2"]], tmp_path)
    assert vqav2.files == {
        "v2_OpenEnded_mscoco_train2014_questions.json": "vqav2/v2_OpenEnded_mscoco_train2014_questions.json"
    }
    assert (vqav2.name, vqav2.packed) == ("vqav2/v2_Questions_Train_mscoco.zip", True)
    assert annotations.path == tmp_path / "vqav2/v2_Annotations_Train_mscoco.zip"
    assert [job.name for job in raw_jobs([SOURCES["refcoco"]], tmp_path)] == [
        "refcoco/refcoco.zip",
        "refcoco/refcoco+.zip",
        "refcoco/refcocog.zip",
    ]


def test_one_file_that_is_two_roles_takes_its_room_once(tmp_path: Path) -> None:
    job = job_of("refcoco", tmp_path)
    assert sorted(job.files.values()) == ["refcoco/refcoco/instances.json", "refcoco/refcoco/refs(unc).p"]


def test_a_file_that_is_no_archive_takes_no_room_beside_itself(tmp_path: Path) -> None:
    job = job_of("textcaps", tmp_path)
    assert (job.packed, job.about_bytes, job.room_bytes) == (False, 181_000_000, 0)
    assert job_of("gqa", tmp_path).room_bytes == 1_400_000_000


def test_sources_share_the_images_of_coco(tmp_path: Path) -> None:
    jobs = image_jobs([SOURCES["vqav2"], SOURCES["okvqa"], SOURCES["gqa"]], tmp_path)
    assert [job.name for job in jobs] == ["coco/train2017.zip", "gqa/images.zip"]


@pytest.mark.parametrize(
    ("member", "path"),
    [
        ("train_balanced_questions.json", "gqa/train_balanced_questions.json"),
        ("questions1.2/train_balanced_questions.json", "gqa/train_balanced_questions.json"),
        ("__MACOSX/train_balanced_questions.json", None),
        ("val_balanced_questions.json", None),
    ],
)
def test_a_raw_file_is_known_by_its_last_name(tmp_path: Path, member: str, path: str | None) -> None:
    found = job_of("gqa", tmp_path).choose(PurePosixPath(member))
    assert found == (tmp_path / path if path else None)


@pytest.mark.parametrize(
    ("member", "path"),
    [
        ("images/1.jpg", "gqa/images/1.jpg"),
        ("images/more/1.jpg", "gqa/images/more/1.jpg"),
        ("other/1.jpg", None),
        ("images", None),
    ],
)
def test_images_go_below_their_folder(tmp_path: Path, member: str, path: str | None) -> None:
    [job] = image_jobs([SOURCES["gqa"]], tmp_path)
    assert job.choose(PurePosixPath(member)) == (tmp_path / path if path else None)


def put(job: Job, content: str = "{}") -> None:
    """Write the raw files of a job."""
    for path in job.files.values():
        (job.root / path).parent.mkdir(parents=True, exist_ok=True)
        (job.root / path).write_text(content)


def status(job: Job, *, hashed: bool = True, lenient: bool = False) -> tuple[bool, bool, str]:
    """The status as a tuple."""
    return tuple(status_of(job, FetchedRecord(job.root), hashed=hashed, lenient=lenient))  # type: ignore[return-value]


def recorded(job: Job) -> None:
    """Note the files of a job as they are now as fetched."""
    assert missing(job) == []
    found = {path: job.root / path for path in job.files.values()}
    files = {path: FileEntry(file.stat().st_size, sha256_of(file)) for path, file in found.items()}
    FetchedRecord(job.root).add(job.name, Entry(url="https://x", num_bytes=1, sha256="ab", files=files))


def test_a_job_is_not_done_while_one_of_its_files_is_missing(tmp_path: Path) -> None:
    job = job_of("refcoco", tmp_path)
    put(job)
    (tmp_path / "refcoco/refcoco/instances.json").unlink()
    assert missing(job) == ["refcoco/refcoco/instances.json"]
    assert status(job)[:2] == (False, False)


def test_files_put_there_by_hand_are_there_but_not_checked(tmp_path: Path) -> None:
    job = job_of("gqa", tmp_path)
    put(job)
    assert status(job) == (True, False, "put there by hand, not checked")


def test_files_that_are_as_they_were_fetched_are_checked(tmp_path: Path) -> None:
    job = job_of("gqa", tmp_path)
    put(job)
    recorded(job)
    assert status(job) == (True, True, "")


def test_a_file_of_another_size_is_refused_and_one_of_the_same_size_when_hashed(tmp_path: Path) -> None:
    job = job_of("gqa", tmp_path)
    put(job)
    recorded(job)
    put(job, "[]")
    assert status(job, hashed=False)[0]
    with pytest.raises(FetchError, match="not the file that is known by size and hash; remove it to fetch it again"):
        status(job)
    put(job, "[1]")
    with pytest.raises(FetchError, match="remove it to fetch it again"):
        status(job, hashed=False)


def test_a_file_that_its_source_knows_by_hash_may_be_kept_on_demand(tmp_path: Path) -> None:
    job = job_of("sharegpt", tmp_path)
    put(job)
    with pytest.raises(FetchError, match="or keep your own with --accept-changed"):
        status(job)
    assert status(job, lenient=True) == (True, False, "put there by hand, not checked")


def test_images_that_were_lost_are_fetched_again(tmp_path: Path) -> None:
    [job] = image_jobs([SOURCES["gqa"]], tmp_path)
    (tmp_path / "gqa/images").mkdir(parents=True)
    for name in ("1.jpg", "2.jpg", ".3.jpg.part"):
        (tmp_path / "gqa/images" / name).touch()
    assert count_images(tmp_path / "gqa/images") == 2
    FetchedRecord(tmp_path).add(job.name, Entry(url="https://x", num_bytes=1, sha256="ab", images=3))
    assert status(job) == (False, True, "2 of 3 images there")
    (tmp_path / "gqa/images/3.jpg").touch()
    assert status(job) == (True, True, "")


def test_images_beside_an_archive_were_not_all_unpacked(tmp_path: Path) -> None:
    [job] = image_jobs([SOURCES["gqa"]], tmp_path)
    assert (status(job), count_images(tmp_path / "gqa/images")) == ((False, False, ""), 0)
    (tmp_path / "gqa/images").mkdir(parents=True)
    (tmp_path / "gqa/images/1.jpg").touch()
    assert status(job) == (True, False, "1 images put there by hand, not checked")
    (tmp_path / "gqa/images.zip.part").touch()
    assert status(job) == (False, False, "")
