"""Any text file becomes UTF-8: encodings are detected, files unpacked and transcoded, broken lines repaired."""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.errors import InvalidJobSpecError, UnreadableDatasetError
from pipeline.validation.readers.encodings.detection import detect_encoding
from pipeline.validation.readers.encodings.names import find_codec
from pipeline.validation.readers.text.line_repair import repair_lines
from pipeline.validation.readers.text.plain_text import PlainText, make_plain_text
from tests.helpers.legacy_tables import ENCODINGS, WESTERN, is_read_right, make_tables

_CITIES = "stadt;einwohner\nKöln;1085664\nMünchen;1512491\nDüsseldorf;653253\nBerlin;3755251\n"
_TOWNS = "город,сутки\nМосква,2\nТверь,3\nОмск,5\n"


def _make(tmp_path: Path, data: bytes, **settings: Any) -> PlainText:
    path = tmp_path / "upload.csv"
    path.write_bytes(data)
    return make_plain_text("upload.csv", path, tmp_path, **{"is_gzip": False, "max_bytes": 1 << 30} | settings)


def _read(plain: PlainText) -> str:
    return plain.path.read_bytes()[plain.start :].decode()


# UTF-8


@pytest.mark.parametrize("text", ["a,b\n1,2\n", _CITIES, _TOWNS, "名前,値\n東京,1\n", "emoji,n\n🙂,1\n"])
def test_utf_8_is_left_unchanged_without_a_warning(tmp_path, text):
    plain = _make(tmp_path, text.encode())
    assert (plain.path, plain.start, plain.warnings) == (tmp_path / "upload.csv", 0, ())
    assert plain.encoding.codec == "utf-8"


@pytest.mark.parametrize("text", ["decision,age\nja,3\n", _CITIES, _TOWNS])
def test_the_utf_8_byte_order_mark_is_skipped_without_a_warning(tmp_path, text):
    plain = _make(tmp_path, text.encode("utf-8-sig"))
    assert (plain.path, plain.start, plain.warnings) == (tmp_path / "upload.csv", 3, ())
    assert _read(plain) == text


@pytest.mark.parametrize("broken", [b"K\xf6ln;1\n", b"caf\xe9;2\n" * 4, b"abc\xc3;1\n", b"\xe4\xb8;9\n"])
def test_a_file_with_a_few_lines_in_another_encoding_is_detected_as_utf_8(tmp_path, broken):
    data = "".join(f"Straße {row};Käse {row};é\n" for row in range(300)).encode()
    plain = _make(tmp_path, data + broken)
    assert plain.encoding.codec == "utf-8"
    assert plain.path == tmp_path / "upload.csv"


def test_a_character_cut_by_the_end_of_the_sample_does_not_change_the_encoding():
    head = (_CITIES * 50).encode()
    for size in range(len(head) - 60, len(head)):
        assert detect_encoding(head[:size], is_complete=False).codec == "utf-8"


def test_windows_1252_with_few_accents_is_not_taken_for_broken_utf_8(tmp_path):
    rows = [f"{row};plain words\n" for row in range(5000)]
    rows[4321] = "4321;Düsseldorf\n"
    plain = _make(tmp_path, "".join(rows).encode("cp1252"))
    assert plain.encoding.codec == "cp1252"


# UTF-16 and UTF-32


@pytest.mark.parametrize(("codec", "mark"), [("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")])
@pytest.mark.parametrize(
    "text", ["ville\tloyer\r\nBesançon\t1147.5\r\nÉvreux\t756\r\n", _TOWNS, "名,b\n東京,2\n大阪,3\n", "a\n1\n"]
)
@pytest.mark.parametrize("has_mark", [True, False])
def test_utf_16_is_read_with_and_without_a_byte_order_mark(tmp_path, codec, mark, text, has_mark):
    plain = _make(tmp_path, mark * has_mark + text.encode(codec))
    assert _read(plain) == text
    assert (plain.encoding.codec, plain.encoding.has_mark) == (codec, has_mark)
    assert plain.encoding.name in plain.warnings[0]
    assert ("train.yaml" in plain.warnings[0]) is not has_mark


@pytest.mark.parametrize("codec", ["utf-32", "utf-32-le", "utf-32-be"])
def test_utf_32_is_read(tmp_path, codec):
    assert _read(_make(tmp_path, _CITIES.encode(codec))) == _CITIES


def test_utf_16_that_ends_within_a_character_is_read_with_a_warning(tmp_path):
    plain = _make(tmp_path, _CITIES.encode("utf-16")[:-1])
    assert _read(plain) == _CITIES[:-1] + "\N{REPLACEMENT CHARACTER}"
    assert "1 character" in plain.warnings[1]
    assert "line 5" in plain.warnings[1]


def test_large_utf_16_is_transcoded_even_if_chunks_cut_characters(tmp_path):
    text = "".join(f"{row};Köln 🙂;Москва\n" for row in range(80_000))
    assert _read(_make(tmp_path, b"\xff\xfe" + text.encode("utf-16-le"))) == text


@pytest.mark.parametrize(
    "data", [b"n,color\n1,re\0d\n2,blue\n", b"a\0\0\0,b\0\0\0\n" * 20, (_CITIES + "x\0;3\n").encode()]
)
def test_nul_bytes_do_not_make_a_file_utf_16(tmp_path, data):
    assert _make(tmp_path, data).encoding.codec == "utf-8"


# Legacy encodings


@pytest.mark.parametrize("language", ENCODINGS)
def test_tables_are_read_in_the_encodings_of_their_language(language):
    tables = [table for codec in ENCODINGS[language] for table in make_tables(language, codec, 6, seed=1)]
    clear = [table for table in tables if table.high_words >= (3 if language in WESTERN else 10)]
    for table in clear:
        encoding = detect_encoding(table.data, is_complete=True)
        assert is_read_right(table, encoding and encoding.codec), (table.codec, encoding)


@pytest.mark.parametrize(
    "cell",
    ["Zoë", "±", "µg/m³", "25°C", "§", "½", "A Coruña", "più", "Malmö", "don’t", "“yes”", "1965–1992", "10 €", "Nº 5"],
)  # fmt: skip
def test_a_single_cell_is_read_as_windows_1252(tmp_path, cell):
    text = f"name,n\n{cell},1\nplain,2\n"
    plain = _make(tmp_path, text.encode("cp1252"))
    assert _read(plain) == text
    assert "Windows-1252" in plain.warnings[0]
    assert "`encoding:`" in plain.warnings[0]


def test_single_letters_are_read_as_windows_1252_and_the_warning_says_how_to_choose(tmp_path):
    data = "sex,n\nМ,1\nЖ,2\n".encode("cp1251")
    assert "`encoding:`" in _make(tmp_path, data).warnings[0]
    assert _read(_make(tmp_path, data, encoding="cp1251")) == "sex,n\nМ,1\nЖ,2\n"


@pytest.mark.parametrize("text", ["Preis (€);n\nx;1\n", "n;p\n1;12,50 €\n2;9,99 €\n", "p\n€ 5\n"])
def test_the_euro_sign_of_iso_8859_15_is_read(tmp_path, text):
    assert _read(_make(tmp_path, text.encode("iso8859-15"))) == text


@pytest.mark.parametrize("codec", ["cp1251", "koi8-r"])
@pytest.mark.parametrize("change", [str.upper, str.lower, str.title])
def test_cyrillic_is_recognized_in_each_case(codec, change):
    text = change("".join(f"{city},1\n" for city in ("москва", "тверь", "казань", "омск", "самара", "воронеж")))
    encoding = detect_encoding(text.encode(codec), is_complete=True)
    assert text.encode(codec).decode(encoding.codec) == text


def test_text_after_a_long_ascii_head_decides_the_encoding(tmp_path):
    text = "id,place\n" + "12345,plain\n" * 200_000 + "1,Łódź\n2,Wrocław\n3,Poznań\n"
    plain = _make(tmp_path, text.encode("cp1250"))
    assert plain.encoding.codec == "cp1250"
    assert _read(plain).endswith("3,Poznań\n")


def test_a_utf_8_byte_order_mark_before_windows_1252_is_dropped(tmp_path):
    assert _read(_make(tmp_path, b"\xef\xbb\xbf" + _CITIES.encode("cp1252"))) == _CITIES


def test_rare_bytes_outside_the_encoding_are_replaced_and_counted(tmp_path):
    text = "имя,город\n" + "Ольга,Москва\n" * 200_000
    plain = _make(tmp_path, text.encode("cp1251") + b"\x98,\xce\xec\xf1\xea\n")
    assert plain.encoding.codec == "cp1251"
    assert "1 character" in plain.warnings[1]
    assert "line 200,002" in plain.warnings[1]


# `encoding` of train.yaml


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("utf-8", "utf-8"), ("UTF8 ", "utf-8"), ("utf-8-sig", "utf-8"), ("Windows-1252", "cp1252"), ("ANSI", "cp1252"),
        ("latin-1", "iso8859-1"), ("win1251", "cp1251"), ("Shift_JIS", "cp932"), ("gbk", "gb18030"),
        ("Mac Roman", "mac-roman"),
        ("UTF-16 LE", "utf-16-le"), ("KOI8-R", "koi8-r"), ("cp-850", "cp850"),
    ],
)  # fmt: skip
def test_encodings_are_chosen_by_their_usual_names(name, codec):
    assert find_codec(name).codec == codec


@pytest.mark.parametrize(
    "name",
    [
        "rot13", "idna", "punycode", "base64", "hex", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs",
        "klingon", "", "../utf-8", "utf-8\0", "ü", "x" * 5000,
    ],
)  # fmt: skip
def test_names_that_are_not_text_encodings_are_refused(name):
    with pytest.raises(InvalidJobSpecError, match="`encoding`"):
        find_codec(name)


@pytest.mark.parametrize(
    ("name", "similar"), [("windows-12525", "windows-1252"), ("iso-8859-51", "iso-8859-5"), ("shift-jiss", "shift jis")]
)
def test_the_message_suggests_similar_names(name, similar):
    with pytest.raises(InvalidJobSpecError, match=similar):
        find_codec(name)


@pytest.mark.parametrize("codec", [codec for codecs in ENCODINGS.values() for codec in codecs])
def test_the_encoding_name_in_a_warning_is_accepted_as_a_setting(codec):
    assert find_codec(find_codec(codec).name) == find_codec(codec)


def test_the_chosen_encoding_is_used_without_a_warning(tmp_path):
    plain = _make(tmp_path, _CITIES.encode("cp1250"), encoding="windows-1250")
    assert (_read(plain), plain.warnings) == (_CITIES, ())


@pytest.mark.parametrize(
    ("data", "encoding", "facts"),
    [
        ("a,b\nKöln,2\n".encode("cp1252"), "ascii", ["ASCII", "byte 5", "line 2"]),
        (b"a,b\nx,1\n\x81,2\n", "cp1252", ["Windows-1252", "byte 8", "line 3"]),
        (_CITIES.encode("cp1252"), "euc_jp", ["EUC-JP", "line 2"]),
        (_CITIES.encode("cp1252"), "utf-8", ["UTF-8", "Windows-1252"]),
    ],
)
def test_an_encoding_that_does_not_fit_is_refused_with_byte_and_line(tmp_path, data, encoding, facts):
    with pytest.raises(UnreadableDatasetError) as error:
        _make(tmp_path, data, encoding=encoding)
    assert all(fact in error.value.message for fact in facts)


def test_the_error_names_the_right_line_after_the_first_chunk(tmp_path):
    with pytest.raises(UnreadableDatasetError, match="line 300,001"):
        _make(tmp_path, b"12345\n" * 300_000 + b"\xff\n", encoding="ascii")


def test_a_byte_order_mark_overrides_the_chosen_encoding(tmp_path):
    plain = _make(tmp_path, _CITIES.encode("utf-16"), encoding="cp1252")
    assert _read(plain) == _CITIES
    assert "Windows-1252" in plain.warnings[0]


def test_a_file_that_could_be_utf_8_is_read_as_chosen_with_a_warning(tmp_path):
    plain = _make(tmp_path, _CITIES.encode(), encoding="cp1252")
    assert "UTF-8" in plain.warnings[0]
    assert _make(tmp_path, b"a,b\n1,2\n", encoding="cp1252").warnings == ()


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_may_be_chosen_without_a_byte_order(tmp_path, codec):
    assert _read(_make(tmp_path, _TOWNS.encode(codec), encoding="utf-16")) == _TOWNS


# Files that are not text


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (b"PK\x03\x04\x14\0\0\0\x08\0[Content_Types].xml", "Excel"),
        (b"PK\x03\x04\x14\0\0\0\x08\0images/a.png", "zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "Excel"),
        (b"PAR1\x15\x04\x15\x80" + bytes(50), "parquet"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "PNG"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "gzip"),
        (b"SQLite format 3\0" + bytes(84), "SQLite"),
        (random.Random(1).randbytes(4000), "binary"),
        (bytes(400), "binary"),
    ],
)
def test_binary_files_are_refused_with_the_name_of_their_format(tmp_path, data, fact):
    with pytest.raises(UnreadableDatasetError, match=fact):
        _make(tmp_path, data)


@pytest.mark.parametrize("header", ["PAR1,PAR2", "BM,ID3", "MZ,x", "PK,name", "Obj,n"])
def test_headers_that_start_like_a_binary_format_are_text(tmp_path, header):
    assert _make(tmp_path, f"{header}\n1,2\n".encode()).encoding.codec == "utf-8"


@pytest.mark.parametrize("data", [b"", b"\n \r\n\t", b"\xef\xbb\xbf\n", "\n\n".encode("utf-16")])
def test_an_empty_file_is_refused(tmp_path, data):
    with pytest.raises(UnreadableDatasetError, match="empty"):
        _make(tmp_path, data)


def test_the_error_for_bytes_of_no_known_encoding_asks_for_the_encoding_setting(tmp_path):
    words = [bytes(random.Random(row).choices([0x81, 0x8D, 0x90, 0xFF, 0xDB, 0xFD], k=5)) for row in range(40)]
    with pytest.raises(UnreadableDatasetError, match=r"`encoding:` in train\.yaml"):
        _make(tmp_path, b"a\n" + b"\n".join(b"x%sY" % word for word in words))


# gzip and sizes


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_gzip_is_unpacked_and_transcoded(tmp_path, codec):
    plain = _make(tmp_path, gzip.compress(_CITIES.encode(codec)), is_gzip=True)
    assert _read(plain) == _CITIES
    assert len(list(tmp_path.iterdir())) == 2  # no intermediate file is left


@pytest.mark.parametrize("cut", [5, 20, 200])
def test_truncated_gzip_is_refused(tmp_path, cut):
    packed = gzip.compress(random.Random(2).randbytes(3000).hex().encode())
    with pytest.raises(UnreadableDatasetError, match=r"not a complete gzip file: .* after [1-9],\d{3} unpacked bytes"):
        _make(tmp_path, packed[:-cut], is_gzip=True)


@pytest.mark.parametrize("is_gzip", [True, False])
def test_a_file_that_is_too_large_is_refused(tmp_path, is_gzip):
    data = b"12345\n" * 400_000
    with pytest.raises(UnreadableDatasetError, match="more than 2 MiB"):
        _make(tmp_path, gzip.compress(data, mtime=0) if is_gzip else data, is_gzip=is_gzip, max_bytes=2 << 20)


# Lines to repair


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", _CITIES.encode(), _TOWNS.encode(), b"no end"])
def test_valid_lines_are_returned_as_the_same_object(data):
    repaired, lines = repair_lines(data)
    assert repaired is data
    assert not lines


def test_nul_bytes_are_removed_and_counted():
    repaired, lines = repair_lines(b"n,color\n1,re\0d\n2,blue\n\0\0,x\n")
    assert repaired == b"n,color\n1,red\n2,blue\n,x\n"
    assert lines == [(1, "holds 1 NUL byte"), (3, "holds 2 NUL bytes")]


@pytest.mark.parametrize(
    ("broken", "text", "encoding"),
    [(b"K\xf6ln", "Köln", "Windows-1252"), (b"5 \x80", "5 €", "Windows-1252"), (b"a\x81b", "a\x81b", "ISO-8859-1")],
)
def test_a_line_that_is_not_utf_8_is_decoded_and_the_other_lines_are_unchanged(broken, text, encoding):
    before, behind = "Straße;東京\n".encode() * 3, "é;🙂\r\n".encode()
    repaired, lines = repair_lines(before + broken + b"\n" + behind)
    assert repaired == before + text.encode() + b"\n" + behind
    [(line, reason)] = lines
    assert line == 3
    assert encoding in reason


def test_valid_characters_next_to_a_broken_one_are_kept():
    repaired, _ = repair_lines("Straße;".encode() + b"K\xf6ln;" + "東京\n".encode())
    assert repaired.decode() == "Straße;Köln;東京\n"


def test_a_line_with_a_nul_byte_and_another_encoding_is_repaired():
    repaired, lines = repair_lines(b"K\xf6\0ln")
    assert repaired.decode() == "Köln"
    [(_, reason)] = lines
    assert "NUL" in reason
    assert "Windows-1252" in reason


@given(
    st.lists(st.one_of(st.binary(max_size=6), st.text(max_size=4).map(lambda text: text.encode("utf-8", "replace"))))
)
def test_any_bytes_are_repaired_line_by_line(pieces):
    data = b"\n".join(pieces)
    repaired, lines = repair_lines(data)
    assert b"\0" not in repaired
    repaired.decode()
    changed = {line for line, _ in lines}
    pairs = zip(data.split(b"\n"), repaired.split(b"\n"), strict=True)
    assert changed == {number for number, (before, behind) in enumerate(pairs) if before != behind}


@given(st.binary(max_size=60), st.booleans())
def test_detection_returns_a_known_encoding_or_none_for_any_bytes(data, is_complete):
    encoding = detect_encoding(data, is_complete=is_complete)
    assert encoding is None or "".encode(encoding.codec) is not None
