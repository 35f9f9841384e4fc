"""What the sources declare about themselves fits together."""

import msgspec

from mix665k.builders.licences import YOURS
from mix665k.builders.published import LCS558K, MIX665K
from mix665k.builders.registry import SOURCES, About, Download, RawFile
from mix665k.mixtures.storage.prompt_kinds import FORMS
from mix665k.mixtures.storage.published_counts import LOOKALIKES, RECORDS, STAGE_1

ABOUTS = {name: source.about for name, source in SOURCES.items()}


def test_the_sources_of_the_published_file_are_in_its_order() -> None:
    assert list(RECORDS) == [
        "llava_instruct",
        "vqav2",
        "okvqa",
        "aokvqa",
        "refcoco",
        "vg",
        "gqa",
        "ocrvqa",
        "textcaps",
        "sharegpt",
    ]
    assert STAGE_1 == {"lcs558k": 558_128}


def test_what_the_sources_declare_adds_up_to_the_published_file() -> None:
    for file in (MIX665K, LCS558K):
        declared = [one for about in ABOUTS.values() if (one := about.published) and one.file == file]
        assert sum(one.num_records for one in declared) == file.num_records
        assert sorted(one.place for one in declared) == list(range(1, len(declared) + 1))


def test_sources_that_share_an_image_folder_declare_prompt_forms_that_exist() -> None:
    declared = {name: one for name, about in ABOUTS.items() if (one := about.published) and one.file == MIX665K}
    folders = [ABOUTS[name].image_folder for name in declared]
    for name, one in declared.items():
        assert set(one.prompt_forms) <= set(FORMS), name
        assert one.prompt_forms or folders.count(ABOUTS[name].image_folder) == 1, name
    assert LOOKALIKES == {"coco, short answer": ("vqav2", "okvqa")}


def test_a_declaration_names_files_of_its_source() -> None:
    for name, about in ABOUTS.items():
        roles = [one.role for one in (about.same_images, about.image_addresses) if one]
        roles += about.image_splits.roles.values() if about.image_splits else ()
        assert all(about.file(role) for role in roles), name


def test_a_declared_field_is_one_of_its_form() -> None:
    for about in ABOUTS.values():
        for one in (about.same_images, about.image_addresses):
            assert not one or one.field in {field.name for field in msgspec.structs.fields(one.form)}


def test_images_with_addresses_are_in_one_folder_that_no_archive_fills() -> None:
    for about in ABOUTS.values():
        if about.image_addresses:
            assert [(images.folder, images.download) for images in about.images] == [("ocr_vqa/images", None)]


def test_a_file_that_nobody_publishes_is_the_users_own() -> None:
    def about(download: Download | None) -> About:
        file = RawFile(role="records", path="mine.json", form=dict, download=download)
        return About(title="mine", files=(file,), licence=YOURS, counts="1")

    assert not about(Download(name="mine.json")).offered
    assert not about(None).offered
    assert about(Download(name="mine.json", hub="me/mine")).offered
    assert about(Download(name="mine.json", by_hand="a page")).offered
    assert [name for name, one in ABOUTS.items() if not one.offered] == ["llava_json"]


def test_a_source_without_images_has_no_image_folder() -> None:
    assert ABOUTS["sharegpt"].image_folder is None
    assert ABOUTS["textcaps"].image_folder == "textvqa"
    assert ABOUTS["llava_json"].image_folder is None
