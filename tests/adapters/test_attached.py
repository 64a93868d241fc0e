"""What leaves of a picture or a PDF is what can be seen on it, and nothing else that was in the file (never list, N5)."""

import random
from io import BytesIO

import pytest
from PIL import Image
from pypdf import PdfReader

from adapters.attached import pdfs
from adapters.attached.cleaning import clean_attachment
from contracts.adapter import SourceRefusedError
from contracts.attachments import MAX_CONTENT
from tests.adapters.pictures import CANARY, PLACE, autopsy, bomb, drawing, moving, photograph, unfolded

SAID = (CANARY.encode(), CANARY.encode("utf-16-le"), PLACE, b"Exif", b"GPS", b"xmpmeta", b"ICC_PROFILE")


def says(data):
    return [word for word in SAID if word in data]


@pytest.mark.parametrize(("kind", "left"), [("JPEG", "JPEG"), ("PNG", "JPEG"), ("WEBP", "JPEG")])
def test_a_picture_keeps_its_points_and_nothing_else(kind, left):
    before = photograph(kind)
    assert CANARY.encode() in before, "control: it says whose it is"
    cleaned = clean_attachment(before)
    assert says(cleaned.content) == []
    with Image.open(BytesIO(cleaned.content)) as found:
        assert (found.format, found.size, cleaned.media_type) == (left, (160, 90), f"image/{left.lower()}")
        assert dict(found.getexif()) == {}
        assert set(found.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        red, blue = found.convert("RGB").getpixel((5, 45)), found.convert("RGB").getpixel((155, 45))
        assert red[0] > 200 > red[2] + 100
        assert blue[2] > 200 > blue[0] + 100


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_stands_upright_as_it_was_seen_before(orientation):
    with Image.open(BytesIO(clean_attachment(photograph(orientation=orientation)).content)) as found:
        assert found.size == ((160, 90) if orientation < 5 else (90, 160))
        assert dict(found.getexif()) == {}


def test_what_is_clear_stays_clear():
    out = BytesIO()
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(out, "PNG", exif=b"Exif\0\0" + CANARY.encode())
    cleaned = clean_attachment(out.getvalue())
    assert cleaned.media_type == "image/png"
    assert says(cleaned.content) == []
    with Image.open(BytesIO(cleaned.content)) as found:
        assert found.getpixel((3, 3))[3] == 0


def test_a_camera_s_own_colours_are_told_in_srgb_and_without_its_profile():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    before = photograph(icc_profile=profile)
    assert b"ICC_PROFILE" in before
    assert says(clean_attachment(before).content) == []
    assert says(clean_attachment(photograph(icc_profile=b"no profile")).content) == []


REFUSED = {
    "attachment-empty": b"",
    "attachment-is-office": b"PK\x03\x04" + b"x" * 50,
    "attachment-kind": b"nothing anybody knows",
    "picture-not-readable": photograph()[:300],
    "picture-too-many-pixels": bomb(),
    "attachment-too-large": b"\xff\xd8\xff" + bytes(MAX_CONTENT),
    "pdf-locked": autopsy(password="x"),
    "pdf-form": autopsy(form=True),
    "pdf-notes": autopsy(note=True),
    "pdf-layers": autopsy(layers=True),
    "pdf-not-readable": b"%PDF-1.7\n" + bytes(200),
}
MOVING = {f"moving {kind}": moving(kind) for kind in ("GIF", "PNG", "WEBP")}
OFFICE = {"an old Office file": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "rtf": b"{\\rtf1 x}"}


@pytest.mark.parametrize("code", REFUSED)
def test_what_cannot_be_cleaned_is_refused_with_what_to_do(code):
    with pytest.raises(SourceRefusedError) as refused:
        clean_attachment(REFUSED[code])
    assert refused.value.code == code
    assert refused.value.advice
    assert CANARY not in str(refused.value) + refused.value.advice


@pytest.mark.parametrize("name", MOVING)
def test_what_moves_is_refused(name):
    with pytest.raises(SourceRefusedError, match="picture-moves"):
        clean_attachment(MOVING[name])


@pytest.mark.parametrize("name", OFFICE)
def test_an_office_document_is_told_to_become_a_pdf(name):
    with pytest.raises(SourceRefusedError) as refused:
        clean_attachment(OFFICE[name] + bytes(50))
    assert "PDF" in refused.value.advice


def test_a_telephone_s_still_photograph_with_a_second_picture_behind_it_is_taken_as_what_is_seen():
    out = BytesIO()
    drawing().save(out, "MPO", save_all=True, append_images=[drawing().rotate(180)], exif=b"Exif\0\0" + CANARY.encode())
    cleaned = clean_attachment(out.getvalue())
    assert says(cleaned.content) == []
    with Image.open(BytesIO(cleaned.content)) as found:
        assert getattr(found, "n_frames", 1) == 1


@pytest.mark.parametrize("nested", [False, True])
def test_a_pdf_keeps_its_pages_and_says_nothing_else(nested):
    before = autopsy(nested=nested)
    told = unfolded(before)
    assert {CANARY.encode(), PLACE} <= set(says(told)), "control"
    cleaned = clean_attachment(before)
    after = unfolded(cleaned.content)
    assert says(after) == []
    for word in (b"JavaScript", b"EmbeddedFile", b"/Author", b"/Metadata", b"PieceInfo", b"/OpenAction"):
        assert word in told
        assert word not in after
    reader = PdfReader(BytesIO(cleaned.content))
    [page] = reader.pages
    assert "DICTAMEN" in page.extract_text() or b"DICTAMEN" in page.get_contents().get_data()
    image = page["/Resources"]["/XObject"]["/P"]
    with Image.open(BytesIO(image._data)) as found:
        assert found.convert("RGB").tobytes() == Image.open(BytesIO(photograph())).convert("RGB").tobytes()


def test_an_earlier_version_of_a_pdf_does_not_travel_with_it():
    first = autopsy()
    start = first.rfind(b"startxref") + 10
    at = int(first[start : first.find(b"\n", start)])
    size = int(PdfReader(BytesIO(first)).trailer["/Size"])
    root = PdfReader(BytesIO(first)).trailer.raw_get("/Root").idnum
    tail = f"\n{size} 0 obj\n({CANARY} v1)\nendobj\n".encode()
    table = len(first) + len(tail)
    later = first + tail + (
        f"xref\n{size} 1\n{len(first) + 1:010d} 00000 n \ntrailer\n<< /Size {size + 1} /Root {root} 0 R /Prev {at} >>\n"
        f"startxref\n{table}\n%%EOF\n"
    ).encode()  # fmt: skip
    assert CANARY.encode() in later
    assert says(unfolded(clean_attachment(later).content)) == []


def test_cleaning_twice_changes_nothing_any_more():
    once = clean_attachment(autopsy()).content
    assert clean_attachment(once).content == once


def test_control_without_the_cleaning_of_pictures_inside_it_is_found(monkeypatch):
    monkeypatch.setattr(pdfs, "strip_jpeg", lambda data: data)
    assert CANARY.encode() in unfolded(pdfs.clean_pdf(autopsy()))


@pytest.mark.parametrize("seed", range(6))
def test_whatever_bytes_come_they_are_cleaned_or_refused_in_words(seed):
    chance = random.Random(seed)
    print("seed", seed)
    data = bytearray(chance.choice([photograph(), photograph("PNG"), photograph("WEBP"), autopsy()]))
    for _ in range(chance.randrange(1, 40)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    try:
        cleaned = clean_attachment(bytes(data))
    except SourceRefusedError as error:
        refused = error
        cleaned = None
    assert refused.advice if cleaned is None else says(cleaned.content) == []
