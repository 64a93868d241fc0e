"""Pictures and PDFs that say, beside what can be seen, where and of whom they are. Everybody in them is invented."""

import zlib
from io import BytesIO

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import FreeText
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject, StreamObject, TextStringObject

CANARY = "FicticiaReservada"
PLACE = b"14.634915,-90.506882"
XMP = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>{CANARY}</dc:creator></x:xmpmeta>'.encode()


def drawing(size=(160, 90), mode="RGB"):
    """Red on the left, blue on the right: which way it is up can be told."""
    picture = Image.new(mode, size, "red")
    ImageDraw.Draw(picture).rectangle((size[0] // 2, 0, size[0], size[1]), fill="blue")
    return picture


def exif(orientation=1):
    found = Image.Exif()
    found[0x0112] = orientation
    found[0x010E] = CANARY
    found[0x9C9B] = CANARY.encode("utf-16-le")
    found.get_ifd(0x8825).update({1: "N", 2: (14.0, 38.0, 5.69), 3: "W", 4: (90.0, 30.0, 24.78), 29: PLACE.decode()})
    return found


def photograph(kind="JPEG", orientation=1, **more):
    out, info = BytesIO(), {"exif": exif(orientation), "comment": CANARY, "xmp": XMP}
    if kind == "PNG":
        text = PngInfo()
        text.add_text("Author", CANARY)
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        info = {"exif": exif(orientation), "pnginfo": text}
    if kind == "WEBP":
        info = {"exif": exif(orientation), "xmp": XMP, "lossless": True}
    more.pop("picture", drawing()).save(out, kind, **(info | more))
    return out.getvalue() + (CANARY.encode() if kind == "JPEG" else b"")


def moving(kind):
    out = BytesIO()
    drawing().save(out, kind, save_all=True, append_images=[drawing().rotate(180)])
    return out.getvalue()


def bomb(side=30_000):
    """A PNG of a few kB that would unfold to gigabytes."""

    def part(name, data):
        return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)

    head = side.to_bytes(4) + side.to_bytes(4) + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(bytes(5_000_000), 9)) + part(b"IEND", b"")


def autopsy(*, picture=None, nested=False, password=None, form=False, note=False, layers=False, script=True):
    """A PDF of one page with a picture on it, and all that a PDF can say beside."""
    writer = PdfWriter()
    page = writer.add_blank_page(200, 200)
    content = DecodedStreamObject()
    content.set_data(b"q 100 0 0 100 50 50 cm /P Do Q BT /F 12 Tf 10 10 Td (DICTAMEN) Tj ET")
    image = StreamObject()
    data = photograph() if picture is None else picture
    image._data = zlib.compress(data) if nested else data
    image.update(
        {
            NameObject("/Type"): NameObject("/XObject"),
            NameObject("/Subtype"): NameObject("/Image"),
            NameObject("/Filter"): NameObject("/DCTDecode"),
        }
    )
    if nested:
        from pypdf.generic import ArrayObject

        image[NameObject("/Filter")] = ArrayObject([NameObject("/FlateDecode"), NameObject("/DCTDecode")])
    meta = StreamObject()
    meta._data = XMP
    meta.update({NameObject("/Type"): NameObject("/Metadata"), NameObject("/Subtype"): NameObject("/XML")})
    image[NameObject("/Metadata")] = writer._add_object(meta)
    page[NameObject("/Resources")] = DictionaryObject(
        {NameObject("/XObject"): DictionaryObject({NameObject("/P"): writer._add_object(image)})}
    )
    page[NameObject("/Contents")] = writer._add_object(content)
    page[NameObject("/PieceInfo")] = DictionaryObject({NameObject("/Word"): TextStringObject(CANARY)})
    writer.add_metadata({"/Author": CANARY, "/Title": f"autopsia de {CANARY}"})
    writer._root_object[NameObject("/Metadata")] = writer._add_object(meta)
    writer.add_attachment(f"{CANARY}.txt", CANARY.encode() + PLACE)
    if script:
        act = {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject(f"app.alert('{CANARY}')")}
        writer._root_object[NameObject("/OpenAction")] = writer._add_object(DictionaryObject(act))
    if form:
        writer._root_object[NameObject("/AcroForm")] = DictionaryObject({NameObject("/XFA"): TextStringObject("x")})
    if note:
        writer.add_annotation(0, FreeText(text=CANARY, rect=(0, 0, 9, 9)))
    if layers:
        writer._root_object[NameObject("/OCProperties")] = DictionaryObject()
    if password:
        writer.encrypt(password)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def unfolded(pdf):
    """Everything a PDF says, its streams opened, all its objects whether a page leads to them or not."""
    reader, told = PdfReader(BytesIO(pdf)), [pdf]
    for number in range(1, int(reader.trailer["/Size"])):
        found = reader.get_object(number)
        told.append(repr(found).encode())
        if isinstance(found, StreamObject):
            told.append(found._data)
            if "/DCTDecode" not in repr(found.get("/Filter")):
                told.append(found.get_data())
    return b"\n".join(told)
