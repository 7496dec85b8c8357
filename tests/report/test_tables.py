"""Rows to Markdown, CSV and text."""

from __future__ import annotations

import csv as csv_format
import io
from pathlib import Path
from typing import Any

from nsg_cluster.report import tables
from nsg_cluster.report.collect import Row

NASTY = 'a,"b"|c`d`\n<i>*e*</i>\r\x1b[31m'


def row(**changes: Any) -> Row:
    values: dict[str, Any] = {
        "run": "r", "name": "toy", "index": 0, "state": "succeeded", "differences": {}, "psnr": 30.123, "ssim": 0.9,
        "lpips": None, "step": 2000, "steps": 2000, "train_s": 90.5, "train_cpu_s": 180.0, "machine": "CPU",
        "folder": Path("/runs/r/tasks/0"), "notes": (),
    }  # fmt: skip
    return Row(**values | changes)


def test_markdown_is_a_table_with_the_settings_that_differ_and_notes_below() -> None:
    rows = [
        row(differences={"seed": 1, "train.steps": 2000}),
        row(
            index=1,
            psnr=None,
            ssim=None,
            step=50,
            train_s=None,
            differences={},
            state="failed",
            notes=("not evaluated",),
        ),
    ]
    assert tables.markdown(rows).splitlines() == [
        "| run | task | name | state | seed | train.steps | PSNR | SSIM | steps | training | CPU time | machine |",
        "| --- | ---: | --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
        "| r | 0 | toy | succeeded | 1 | 2000 | 30.12 | 0.9000 | 2000 | 1m30s | 3m | CPU |",
        "| r | 1 | toy | failed | \N{EN DASH} | \N{EN DASH} | \N{EN DASH} | \N{EN DASH} | 50 of 2000 "
        "| \N{EN DASH} | 3m | CPU |",
        "",
        "- r, task 1: not evaluated",
    ]


def test_experiments_of_different_kinds_are_told_apart_by_their_kinds() -> None:
    many = {f"model.setting{number}": number for number in range(40)}
    rows = [row(differences={"model.kind": "nerf", **many}), row(differences={"model.kind": "instant_ngp"})]
    table = tables.markdown(rows)
    assert table.startswith("| run | task | name | state | model.kind | PSNR |")
    assert table.endswith("\n- 40 more settings differ; report --format csv has a column for each\n")
    assert tables.csv(rows).partition("\r\n")[0].count("model.setting") == 40


def test_lpips_has_a_column_once_one_row_has_it() -> None:
    assert "LPIPS" not in tables.headings([row()])
    rows = [row(), row(lpips=0.05)]
    assert "LPIPS" in tables.headings(rows)
    assert {len(tables.cells(one, rows)) for one in rows} == {len(tables.headings(rows))}


def test_csv_gives_every_value_back_whatever_it_holds() -> None:
    rows = [row(name=NASTY, differences={"a|b": NASTY, "betas": [0.9, 0.99]}, notes=("x", "y")), row(psnr=None)]
    first, second = csv_format.DictReader(io.StringIO(tables.csv(rows), newline=""))
    assert first["name"] == first["a|b"] == NASTY
    wanted = {"betas": "[0.9, 0.99]", "psnr_db": "30.123", "train_s": "90.5", "notes": "x; y"}
    assert {column: first[column] for column in wanted} == wanted
    assert {second[column] for column in ("psnr_db", "lpips", "a|b")} == {""}


def test_hostile_names_break_neither_the_markdown_nor_the_terminal() -> None:
    lines = tables.markdown([row(name=NASTY)]).splitlines()
    assert len(lines) == 3
    assert lines[2].replace("\\|", "").count("|") == lines[0].count("|")
    assert "<i>" not in lines[2]
    text = tables.text([row(name=NASTY), row(name="n" * 300)])
    assert len(text.splitlines()) == 3
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) < 200
