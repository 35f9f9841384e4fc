"""Made-up Visual Genome: region descriptions, and the images' sizes in a file of their own."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from mix665k.builders.synthetic.files import quoted, scaled, source_rng, spread, write_records
from mix665k.builders.synthetic.image_ids import VG_IMAGES, VG_SIZES, vg_folder, vg_id, vg_size
from mix665k.builders.synthetic.scene_texts import empty_box, region_phrase
from mix665k.builders.synthetic.scenes import Box, Scene, vg_scene
from mix665k.builders.synthetic.text import phrase, pool

REGIONS = 5_408_689
ODD_PHRASES = ('"the oar is wet "', '"a torn sail\\n"', '""', '" "', '"two  anvils"', '"the oar is wet "')


def inner_box(rng: Random, width: int, height: int) -> Box:
    """A box inside the image."""
    x, y = int(rng.random() * (width - 20)), int(rng.random() * (height - 20))
    return x, y, 8 + int(rng.random() * (width - x - 8)), 8 + int(rng.random() * (height - y - 8))


def odd_boxes(width: int, height: int) -> list[Box]:
    """Boxes that leave the image, have no area, lie wholly outside, or are the whole image."""
    return [
        (-4, 10, 60, 40),
        (width - 30, height - 20, 50, 45),
        (20, 30, 0, 25),
        (20, 30, 25, 0),
        (width + 5, 10, 30, 30),
        (0, 0, width, height),
    ]


def box_fields(box: Box) -> tuple[str, str]:
    """The JSON fields of a box, in the two places where a region has them."""
    x, y, width, height = box
    return f'"width": {width}, "height": {height}, "image_id": ', f', "y": {y}, "x": {x}}}'


def region_counts(rng: Random, num_images: int, *, total: int) -> list[int]:
    """Regions per image; every 60th image has fewer than ten."""
    small = {number: 1 + number // 60 % 9 for number in range(1, num_images, 60)}
    rest = spread(rng, total=total - sum(small.values()), parts=num_images - len(small))
    return [small[number] if number in small else rest.pop() for number in range(num_images)]


def region_records(rng: Random, image_ids: list[int], *, scale: float) -> Iterator[str]:
    """An image with its regions; its first region is always sound, the first image shows every oddity."""
    sound = pool(rng, scaled(200_000, scale, least=1_000), phrase)
    phrases = (
        sound
        + pool(rng, len(sound) // 10, lambda rng: phrase(rng) + rng.choice((" ", " ", "\n")))
        + ['""', '" "'] * (len(sound) // 1_000)
    )
    sound_boxes = {
        size: [box_fields(inner_box(rng, *size)) for _ in range(scaled(40_000, scale, least=400))] for size in VG_SIZES
    }
    odd = {size: [box_fields(box) for box in odd_boxes(*size)] for size in VG_SIZES}
    boxes = {
        size: sound_boxes[size] + (odd[size][:2] * 10 + odd[size]) * (len(sound_boxes[size]) // 400)
        for size in VG_SIZES
    }
    total = scaled(REGIONS, scale, least=len(image_ids) * 40)
    region_id = 1_000
    for image_id, count in zip(image_ids, region_counts(rng, len(image_ids), total=total), strict=True):
        size = vg_size(image_id)
        words = [rng.choice(sound), *rng.choices(phrases, k=count - 1)]
        places = [rng.choice(sound_boxes[size]), *rng.choices(boxes[size], k=count - 1)]
        if region_id == 1_000:
            words[1:] = [*ODD_PHRASES, *words][: count - 1]
            places[1:] = [*(sound_boxes[size][: len(ODD_PHRASES)]), *odd[size], *places][: count - 1]
        regions = [
            f'{{"region_id": {number}, {extent}{image_id}, "phrase": {words_}{corner}'
            for number, (words_, (extent, corner)) in enumerate(zip(words, places, strict=True), start=region_id)
        ]
        region_id += count + 3  # upstream's region ids have gaps too
        yield f'{{"regions": [{", ".join(regions)}], "id": {image_id}}}'


def scene_regions(rng: Random, image_ids: list[int], *, scale: float, seed: int) -> Iterator[str]:
    """An image with its regions, each of them a shape, the word, or background; the oddities are those of `records`."""
    total = scaled(REGIONS, scale, least=len(image_ids) * 40)
    region_id = 1_000
    for image_id, count in zip(image_ids, region_counts(rng, len(image_ids), total=total), strict=True):
        scene = vg_scene(image_id, seed=seed)
        described = [scene_region(scene, number, rng=rng) for number in range(count)]
        if region_id == 1_000:
            described[1:] = [*odd_regions(scene, described[0]), *described[1:]][: count - 1]
        regions = [
            f'{{"region_id": {number}, {extent}{image_id}, "phrase": {quoted(phrase_)}{corner}'
            for number, (phrase_, box) in enumerate(described, start=region_id)
            for extent, corner in (box_fields(box),)
        ]
        region_id += count + 3
        yield f'{{"regions": [{", ".join(regions)}], "id": {image_id}}}'


def scene_region(scene: Scene, number: int, *, rng: Random) -> tuple[str, Box]:
    """A phrase and its box; all but the first of an image may be odd, at the rate of the published files."""
    odd = rng.random() if number else 1
    if odd < 0.01:
        return odd_place(scene, rng.choice(odd_boxes(*scene.size)))
    shape = rng.choice(scene.shapes)
    empty = empty_box(scene, rng) if rng.random() < 0.2 else None
    box = empty or shaken(shape.box, rng)
    phrase_ = region_phrase(scene, None if empty else shape, rng)
    if scene.word and rng.random() < 0.1:
        box, phrase_ = scene.word_box, f"the word {scene.word}"
    return ("" if odd > 0.999 and number else phrase_ + (rng.choice((" ", " ", "\n")) if odd < 0.1 else "")), box


def shaken(box: Box, rng: Random) -> Box:
    """A box as another person would draw it: each side is moved inwards by up to a twentieth."""
    x, y, width, height = box
    left, right = (int(rng.random() * width / 20) for _ in "12")
    top, bottom = (int(rng.random() * height / 20) for _ in "12")
    return x + left, y + top, width - left - right, height - top - bottom


def odd_regions(scene: Scene, sound: tuple[str, Box]) -> list[tuple[str, Box]]:
    """Every oddity of the published file once: of the phrase of a sound region, and of boxes."""
    phrase_, box = sound
    odd = (f"{phrase_} ", f"{phrase_}\n", "", " ", f"  {phrase_}".replace(" ", "  "), f"{phrase_} ")
    return [(text, box) for text in odd] + [odd_place(scene, box) for box in odd_boxes(*scene.size)]


def odd_place(scene: Scene, box: Box) -> tuple[str, Box]:
    """An odd box with what can be said of it."""
    return "the picture" if box == (0, 0, *scene.size) else "edge of the picture", box


def image_records(rng: Random, image_ids: list[int]) -> Iterator[str]:
    """Sizes and addresses; about half of the images have a COCO id."""
    for image_id in image_ids:
        width, height = vg_size(image_id)
        coco_id = rng.randrange(1, 581_930) if rng.random() < 0.48 else "null"
        flickr_id = rng.randrange(10**8, 10**10) if rng.random() < 0.98 else "null"
        url = f"https://regions.invalid/people/made-up/{vg_folder(image_id)}/{image_id}.jpg"
        yield (
            f'{{"width": {width}, "url": "{url}", "height": {height}, "image_id": {image_id}, '
            f'"coco_id": {coco_id}, "flickr_id": {flickr_id}}}'
        )


def write_vg(folder: Path, *, scale: float, seed: int, scenes: bool = False) -> list[Path]:
    """Regions in the order of the image ids, and `image_data.json` in the same order."""
    rng = source_rng("vg", seed=seed)
    image_ids = sorted(vg_id(index) for index in range(scaled(VG_IMAGES, scale)))
    described = scene_regions(rng, image_ids, scale=scale, seed=seed) if scenes else None
    return [
        write_records(folder / "region_descriptions.json", described or region_records(rng, image_ids, scale=scale)),
        write_records(folder / "image_data.json", image_records(rng, image_ids)),
    ]
