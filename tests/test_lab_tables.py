"""Tables of any kind: what stands there is read, what was noticed is said, what is of no use is named at once."""

import bz2
import gzip
import io
import lzma
import os
import sys
import zipfile

import numpy as np
import pandas as pd
import polars
import pytest

from minigrad import lab
from minigrad.lab import Dataset, LabError, LabWarning, load, tables
from minigrad.lab.data import prepare
from minigrad.lab.errors import on_command_line

TEXT = "a, price ,b,rent\n1,2,3,4\n-1.5,2e3,0,.5\n\n"
FEATURES, TARGETS = [[1, 3], [-1.5, 0]], [[4, 2], [0.5, 2000]]


def write(folder, content, name="table.csv"):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def zipped(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("inside.csv", content)
    return file.getvalue()


SAME = {  # the same table as text of many kinds
    "plain": TEXT.encode(),
    "semicolon": TEXT.replace(",", ";").encode(),
    "tab": TEXT.replace(",", "\t").encode(),
    "bar": TEXT.replace(",", "|").encode(),
    "blanks": b"a price   b  rent\n1  2 3 4\n -1.5 2e3 0 .5 \n",
    "Windows lines": TEXT.replace("\n", "\r\n").encode(),
    "byte order mark": TEXT.encode("utf-8-sig"),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-32": TEXT.encode("utf-32"),
    "comments": f"# a table, of 2020\n{TEXT}# the end, 1, 2\n".encode(),
    "names in a comment": b"# from here on, numbers\n# a,price,b,rent\n1,2,3,4\n-1.5,2e3,0,.5\n",
    "names over lines": '"a","pri\nce",b,rent\n1,2,3,4\n-1.5,2000,0,.5\n'.replace("pri\nce", "price\n").encode(),
    "a quote in a comment": b'# 5" long\na,price,b,rent\n1,2,3,4\n-1.5,2000,0,.5\n',
    "quotes": b'"a",price,"b","rent"\n"1",2,"3","4"\n-1.5,"2,000",0,.5\n',
    "single quotes": b"'a' 'price' 'b' 'rent'\n1 2 3 4\n-1.5 2e3 0 .5\n",
    "decimal comma": b"a;price;b;rent\n1;2;3;4\n-1,5;2.000,0;0;,5\n",
    "decimal comma, quoted": b'a,price,b,rent\n1,2,3,4\n"-1,5",2000,0,"0,5"\n',
    "thousands": b"a;price;b;rent\n1;2;3;4\n-1.5;2 000;0;.5\n",
    "numbered rows": b',a,price,b,rent\n0,1,2,3,4\n1,-1.5,2000,0,.5\n',
    "numbered rows, by pandas": b"Unnamed: 0,a,price,b,rent\n0,1,2,3,4\n1,-1.5,2000,0,.5\n",
    "separator, said by Excel": f"sep=;\r\n{TEXT.replace(',', ';')}".encode(),
    "R's row names": b'"a" "price" "b" "rent"\n"Adam" 1 2 3 4\n"Eve" -1.5 2000 0 .5\n',
    "a separator at the end": TEXT.replace("\n", ",\n").encode() + b",,,,\n",
    "gzip": gzip.compress(TEXT.encode()),
    "bzip2": bz2.compress(TEXT.encode()),
    "xz": lzma.compress(TEXT.encode()),
    "zip": zipped(TEXT),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAME)
def test_text_of_any_kind_is_the_same_table(tmp_path, kind):
    dataset = load(write(tmp_path, SAME[kind], "table"), target="rent,price")
    assert dataset.feature_names == ("a", "b")
    assert dataset.target_names == ("rent", "price")
    assert dataset.features.tolist() == FEATURES
    assert dataset.targets.tolist() == TARGETS
    said = {"decimal": "decimal mark is the comma", "numbered": "left out", "R's": "left out"}
    assert all(text in " ".join(dataset.notes) for word, text in said.items() if kind.startswith(word))


@pytest.mark.parametrize("suffix", ["parquet", "feather", "xlsx", "npz"])
def test_files_that_are_no_text(tmp_path, suffix):
    frame, path = pd.DataFrame({"a": [1, -1.5], "price": [2, 2000], "b": [3, 0], "rent": [4, 0.5]}), tmp_path / "t"
    if suffix == "npz":
        np.savez(tmp_path / "t.npz", **{name: frame[name] for name in frame})
        (tmp_path / "t.npz").rename(path)
    elif suffix == "xlsx":
        frame.to_excel(tmp_path / "t.xlsx")  # with its index, a column without a name
        (tmp_path / "t.xlsx").rename(path)
    else:
        getattr(frame, f"to_{suffix}")(path)
    dataset = load(path, target=["rent", "price"])  # what kind it is of does not depend on its name
    assert dataset.features.tolist() == FEATURES
    assert dataset.targets.tolist() == TARGETS
    with pytest.raises(LabError, match="decimal can be said of text only"):
        load(path, target="rent", decimal=",")


@pytest.mark.parametrize(("suffix", "package"), [("parquet", "pyarrow"), ("xlsx", "openpyxl")])
def test_a_reader_that_is_missing_is_named(tmp_path, monkeypatch, suffix, package):
    frame, path = pd.DataFrame({"a": [1, 2], "b": [3, 4]}), tmp_path / f"t.{suffix}"
    (frame.to_excel if suffix == "xlsx" else frame.to_parquet)(path)
    monkeypatch.setattr("minigrad.lab.tables.util.find_spec", lambda name: None if name == package else name)
    with pytest.raises(ModuleNotFoundError) as missing:
        load(path, target="b")
    assert missing.value.name == package


def test_arrays_in_a_file(tmp_path):
    numbers = np.arange(12.0).reshape(4, 3)
    np.save(tmp_path / "t.npy", numbers)
    dataset = load(tmp_path / "t.npy", target="x2")
    assert dataset.feature_names == ("x0", "x1")
    assert dataset.features.tolist() == numbers[:, :2].tolist()
    np.save(tmp_path / "t.npy", np.array([object()]))
    with pytest.raises(LabError, match=r"cannot read .*t.npy: Object arrays cannot be loaded"):
        load(tmp_path / "t.npy", target="x2")


def test_numbers_are_read_to_the_bit(tmp_path):
    numbers = np.random.default_rng(0).normal(size=(500, 2)) * 10.0 ** np.arange(-250, 250)[:, np.newaxis]
    path = write(tmp_path, "x,y\n" + "\n".join(f"{x!r},{y!r}" for x, y in numbers.tolist()))
    assert (load(path, target="y").features[:, 0] == numbers[:, 0]).all()


@pytest.mark.parametrize("header", [None, False])
def test_a_first_row_of_numbers_is_no_header(tmp_path, header):
    dataset = load(write(tmp_path, "1,2\n3,4\n5,6\n"), target="x1", header=header)
    assert dataset.targets.tolist() == [[2], [4], [6]]
    assert ("the first line is numbers" in " ".join(dataset.notes)) is (header is None)
    assert load(tmp_path / "table.csv", target="2", header=True).targets.tolist() == [[4], [6]]


def test_columns_that_are_meant(tmp_path):
    path = write(tmp_path, 'a,"b, c",d [1/s],e\n1,2,3,4\n5,6,7,8\n')
    assert load(path, target="b, c,e").target_names == ("b, c", "e")
    assert load(path, target="e", features="d [1/s],b, c").feature_names == ("d [1/s]", "b, c")
    assert load(path, target=["e"], drop=["b, c"]).feature_names == ("a", "d [1/s]")
    with pytest.raises(LabError, match="column 'a' is to be two things at once"):
        load(path, target="e", features="a", drop="a")


def test_categories_become_columns_of_0_and_1(tmp_path):
    path = write(tmp_path, "sex,zip,y\nf,1,1\nm,3,2\n,1,3\nm,2,4\n")
    dataset = load(path, target="y", categorical="sex,zip", missing="mean")
    assert dataset.feature_names == ("sex=m", "zip=2", "zip=3")
    np.testing.assert_array_equal(dataset.features, [[0, 0, 0], [1, 0, 1], [np.nan, 0, 0], [1, 1, 0]])
    assert load(path, target="y", categorical="auto", missing="drop").feature_names == ("sex=m", "zip")
    names = write(tmp_path, "name,y\n" + "".join(f"name{i},{i}\n" for i in range(20)), "names.csv")
    with pytest.raises(LabError, match=r"too many values to be categories in 'name' \('name0', 20 values\): drop="):
        load(names, target="y", categorical="auto")


GAPS = "a,b,y\n1,,1\n2,3,2\n?,4,3\n4,5,NA\n" + "".join(f"{i},{i},{i + 9}\n" for i in range(16))


def test_missing_values_are_refused_and_counted(tmp_path):
    said = (
        r"a value is missing in 3 of 20 rows, first in row 1; by column: a 1, b 1, y 1. --missing drop leaves these "
        r"rows out, --missing mean or --missing median fills in that of the training rows, --drop a leaves out a column"
    )
    with on_command_line(), pytest.raises(LabError, match=said):
        load(write(tmp_path, GAPS), target="y")
    with pytest.raises(LabError, match="a value is missing in 1 of 2 rows, first in row 2; by column: x1 1"):
        load(([[1, 2], [3, np.nan]], [1, 2]))
    with pytest.raises(LabError, match="row 2, column 'x1': inf is not a finite number"):
        load(([[1, 2], [3, np.inf]], [1, 2]))


@pytest.mark.parametrize("how", ["mean", "median"])
def test_missing_values_are_filled_from_the_training_rows(tmp_path, how):
    dataset = load(write(tmp_path, GAPS), target="y", missing=how)
    table = prepare(dataset, clip_features=None)
    assert "1 row of 20 left out, because their target is missing" in table.notes
    assert f"2 missing values filled with the {how} of the feature in the training rows" in table.notes
    rows = [int(np.flatnonzero(dataset.targets == y)[0]) for y in table.y_train[:, 0]]
    known = dataset.features[rows]
    filled = np.where(np.isnan(known), getattr(np, f"nan{how}")(known, axis=0), known)
    np.testing.assert_allclose(table.x_train, (filled - filled.mean(0)) / filled.std(0), rtol=1e-12, atol=1e-12)


def test_rows_with_missing_values_are_dropped(tmp_path):
    table = prepare(load(write(tmp_path, GAPS), target="y", missing="drop"))
    assert len(table.x_train) + len(table.x_test) == 17
    assert "3 rows of 20 left out, because a value is missing in them" in table.notes
    gaps = pd.DataFrame({"a": [*"uv", *[None] * 3], "b": range(5), "c": [None, None, 3, None, None], "y": range(5)})
    with pytest.raises(LabError, match=r"in 5 of 5 rows.*c 4, a 3\. missing='mean' or .*drop='c,a' leaves"):
        prepare(load(gaps, target="y", categorical="a", missing="drop"))
    with pytest.raises(LabError, match=r"4 of 5 rows.*\. target names what else could be predicted$"):
        prepare(load(gaps, target="c", drop="a", missing="mean"))
    assert load(gaps, target="y", drop="a,c").feature_names == ("b",)


def test_frames_keep_their_names():
    frame = pd.DataFrame({"size": [1, 2, 3], "home, sweet": [2.0, None, 3.0], "rent [€]": [True, False, True]})
    other = polars.DataFrame(frame.to_dict("list"))
    for data in (frame, other, other.lazy(), other.to_arrow()):
        dataset = load(data, target=["rent [€]"], missing="mean")
        assert dataset.feature_names == ("size", "home, sweet")
        assert dataset.targets.tolist() == [[1], [0], [1]]
        np.testing.assert_array_equal(dataset.features, [[1, 2], [2, np.nan], [3, 3]])
    assert load((frame[["size"]], frame["rent [€]"])).target_names == ("rent [€]",)
    run = lab.train(frame, target="rent [€]", drop="home, sweet", epochs=2)
    assert list(run.named_weights) == ["size", "bias"]


@pytest.mark.parametrize(
    ("text", "small"),
    [
        ("a,b,y\n1,0.1,3\n-4,5e-7, 6 \n", True),
        ("a;b;y\r\n007;0.30000000000000004;123456789012345\r\n+1;1e22;2\r\n", True),
        ("# a|b|y\n1|2|3\n4|5|6\n", True),
        ("a,b,y\n1,,3\n4,5,6\n", False),
        ("a;b;y\n1,5;2;3\n4;5;6\n", False),
        ("a,b,y\n1,2,3\n4,NA,6\n", False),
        ("a,,y\n1,2,3\n4,5,6\n", False),
        (",b,y\n0,2,3\n1,5,6\n", False),
        ("a b y\n1 2 3\n4  5 6\n", False),
        ("a,b,y\n1,2,12345678901234567890\n4,5,6\n", False),
    ],
)
def test_a_small_table_of_numbers_is_what_pandas_makes_of_it(text, small, tmp_path, monkeypatch):
    path, found = write(tmp_path, text), []
    for most in tables.MOST_LINES, 0:
        monkeypatch.setattr(tables, "MOST_LINES", most)
        frame, *_ = tables.frame_of(path, tables.TextOptions(), numbers_do=True)
        assert isinstance(frame, tables.Numbers) == (small and most > 0)
        data = load(path, target="y", missing="mean", categorical=None)
        found.append((data.features.tobytes(), data.targets.tobytes(), data.feature_names, data.notes))
    assert found[0] == found[1]


REFUSED = [
    ("a,b\n1,2\n3,\n", {"target": "c"}, "has no column 'c', which --target names: they are a, b"),
    ("a,b\n1,2\n3,4\n", {}, "say with --target which of its columns to predict: a, b"),
    ("a,b\n1,2\n3,4\n", {"target": "a,a"}, "name one column twice"),
    ("a,b\n1,2\n3,4\n", {"target": "a,b"}, "no column is left as a feature"),
    ("a,b\n1,2\n", {"target": "b"}, "1 row cannot be split into training and test rows; 2 or more are needed"),
    ("a,a,b\n1,2,3\n", {"target": "a"}, "the header names more than once 'a': give each a name"),
    ("a,b,a,c\n1,2,3,4\n", {"target": "b"}, "the header names more than once 'a': --drop a leaves them out"),
    ("", {"target": "b"}, "is empty"),
    (b"a,b\n\xe9t\xe9,1\nx,2\n", {"target": "b"}, r"text in 'a' \('été', 2 values\): --categorical a makes columns"),
    (b"a,b\n\xe9,1\n", {"target": "b", "encoding": "utf-8"}, r"is not utf-8: .* position 4"),
    ("a,b\n1,2\n", {"target": "b", "encoding": "klingon"}, "there is no encoding 'klingon'; utf-8"),
    (b"\x7fELF\0\0\0", {"target": "b"}, "is no table that is known here: as text it has NUL bytes"),
    (b"\x1f\x8bnonsense", {"target": "b"}, r"cannot read \S+table.csv: "),
    ("a,b\n# a\n1,2\n\n1,2,3\n", {"target": "b"}, "line 5 has 3 cells, and those above it 2"),
    ("a,b\n", {"target": "b"}, "has no rows, only the names of columns"),
    ("title\na,b\n1,2\n", {"target": "b"}, "the header has 1 column, and the row below it 2 cells"),
    ("a,b\n1,2\n", {"target": "b", "delimiter": "::"}, "--delimiter is one character, or tab or space; got '::'"),
    ("a,b\n1,2\n", {"target": "b", "decimal": ";"}, "no decimal mark ';'; take '.' or ','"),
    ('a;b\n"1,234";2\n"5,678";3\n', {"target": "b"},
     "comma of '1,234' in column 'a' may be a decimal mark or group thousands: say --decimal , or --decimal ."),
    ("a,b\n1,2\n", {"target": "b", "missing": "zero"}, "no --missing 'zero'; take refuse or drop or mean or median"),
    ("a,b\n1,2\n", {"target": "b", "rows": 3}, "--rows is for synthetic data; here the data are files"),
    ("a,b\n1,red\n2,blue\n", {"target": "b"}, "a target of text in 'b' .*: --task classification predicts classes"),
    ("a;b;c\n1,5;1;2.5\n1;2,5;3.5\n", {"target": "b"},
     r"another decimal mark than the rest in 'c' \('2.5'\): write all with one mark, here ',', or --drop c"),
    ("a,b\n1,1\nn.a.,2\n3,3\n", {"target": "b"}, r"cells that are no numbers in 'a' \('n.a.' in row 2\): --na names"),
    ("d,e,f,n,y\n2020-01-01,Jan-1-1995,red,1,1\n2020-01-02,Feb-1-1995,x,n/k,2\n2020-01-03,Mar-1-1995,x,3,3\n",
     {"target": "y"},
     r"dates in 'd' \('2020-01-01'\), 'e' \('Jan-1-1995'\): --drop d,e leaves them out; or make numbers of .*"
     r"text in 'f' \('red', 2 values\): --categorical f .*; cells that are no numbers in 'n'"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "options", "message"), REFUSED, ids=[message[:40] for *_, message in REFUSED])
def test_what_cannot_be_used_is_told_with_its_remedy(tmp_path, content, options, message):
    with on_command_line(), pytest.raises(LabError, match=message):
        load(write(tmp_path, content), **options)


@pytest.mark.parametrize(
    ("content", "options", "first"),
    [
        ('a;b\n"1,234";2\n"5,678";3\n', {"decimal": ","}, 1.234),
        ('a;b\n"1,234";2\n"5,678";3\n', {"decimal": "."}, 1234),
        ('a,b\n"1,234",2.5\n"5,678",3\n', {}, 1234),  # the other column has a decimal point
        ("a;b\n1.234;2,5\n5.678;3\n", {}, 1234),  # and here a decimal comma
        ("a,b,a,c\n1,2,3,4\n1,3,4,5\n", {"drop": "a"}, 4),
        ("a:b\n1:2\nnone:3\n", {"delimiter": ":", "na": "none,n/k", "missing": "drop"}, 1),
        ("ä,b\n1,2\n2,3\n".encode("mac-roman"), {"encoding": "mac-roman", "features": "ä"}, 1),
    ],
)
def test_remedies_work(tmp_path, content, options, first):
    assert load(write(tmp_path, content), target="b", **options).features[0, 0] == first


def test_a_pipe_is_a_file(monkeypatch):
    content = gzip.compress(b"x,y\n1,2\n3,4\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert load("-", target="y").targets.tolist() == [[2], [4]]
    if os.path.exists("/dev/fd"):  # what a shell makes of <(...)
        end, start = os.pipe()
        os.write(start, content)
        os.close(start)
        assert load(f"/dev/fd/{end}", target="y").targets.tolist() == [[2], [4]]
        os.close(end)


def test_what_was_noticed_is_in_the_account(tmp_path):
    path = write(tmp_path, "".join(f"{i},{i * i}\n" for i in range(10)))
    assert any("the first line is numbers" in note for note in lab.train(path, target="x1", epochs=1).notes)


def test_a_feature_without_any_value_is_left_out():
    gaps = np.column_stack([np.arange(10.0), np.full(10, np.nan)])
    with pytest.warns(LabWarning, match="left out, because constant in the training rows: x1"):
        prepare(Dataset("mine", gaps, gaps[:, :1], ("x0", "x1"), ("y",), "mean"))


def test_names_show_as_they_are(tmp_path):
    names = ("rate [/s]", "[bold]Weight[/bold]", "$a^$", "a\x1b[31mb\nc", "long, " * 40)
    x = np.random.default_rng(0).normal(size=(40, 5))
    data = Dataset("../$x^$ [/b]", x, x[:, :1], names, ("price [€]",))
    run = lab.train(data, method="batch", epochs=2, logdir=tmp_path / "runs")
    shown = repr(run)
    for name in ("rate [/s]", "[bold]Weight[/bold]", "$a^$", "a [31mb c", "../$x^$ [/b], 2 epochs", "price [€]"):
        assert name in shown
    assert sum(line.count("long,") for line in shown.splitlines()) == 40  # folded, not cut off
    assert run.folder.parent.parent == tmp_path / "runs"  # and not where the name points to
    assert run.plot(tmp_path / "losses.png").stat().st_size > 10_000
