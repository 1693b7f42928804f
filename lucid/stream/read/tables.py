"""Which arrays hold RoIs: rows, boxes, and tables whose columns have names or are named by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from lucid.errors import DTypeError, ShapeError
from lucid.roi.forms import UPRIGHT, BoxForm
from lucid.roi.operators import OPERATORS
from lucid.roi.table import COLUMNS, require_table
from lucid.stream.read.columns import UPRIGHT_FORMS, Columns, by_hand, by_header, form_of, forms_of
from lucid.stream.read.ids import holds_texts
from lucid.stream.settings import Settings

Check = Callable[[tuple[int, ...], np.dtype[Any], str], None]
RECIPE = "df.to_hdf(path, key=key, format='table', data_columns=True)"
PANDAS = "values_block_0"  # a field of tables that pandas writes without `data_columns`


def rois_check(settings: Settings) -> Check:
    """Return the check of what the RoIs of a run come in."""
    columns, forms = settings.columns, forms_of(settings)
    if columns is None:
        return partial(require_rois, form=form_of(settings), forms=forms)

    def require(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
        columns_of(shape, dtype, columns, name, forms)

    return require


def require_rois(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    name: str,
    form: BoxForm = UPRIGHT,
    forms: Sequence[str] = UPRIGHT_FORMS,
) -> None:
    """Raise unless an array is of a form that RoIs come in: (K, 5), (K, 4), (N, M, 4), records."""
    if dtype.names is not None:
        columns_of(shape, dtype, None, name, forms)
    elif (len(shape) in {2, 3} and shape[-1] == len(form.columns)) or shape == (0,):
        require_table((1, len(form.row)), dtype, name, form)
    elif len(shape) == 2 and shape[1] > 5 and form.is_upright:
        raise ShapeError.advising(
            f"{name} must have shape (K, 5) with columns ({', '.join(COLUMNS)}), got {shape}",
            "say which of its columns are what, as {columns:image,-,x1,y1,x2,y2}"
            + _or_operator(shape[1])
            + ", or save its transpose" * (shape[0] == 5),
        )
    else:
        require_table(shape, dtype, name, form)


def _or_operator(width: int) -> str:
    """Advise an operator whose rows have so many columns, if there is one."""
    found = next((name for name, entry in OPERATORS.items() if len(entry.form.row) == width), None)
    return f", or pass {{operator:{found}}}" if found else ""


def columns_of(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    columns: str | None,
    name: str,
    forms: Sequence[str] = UPRIGHT_FORMS,
) -> Columns:
    """Return the columns of a table that are used, of boxes of one of some forms.

    Raises
    ------
    ShapeError, DTypeError
        If it is no such table, or does not have them.
    """
    header = None if dtype.names is None else list(dtype.names)
    if len(shape) != (2 if header is None else 1):
        raise ShapeError(f"{name} must be a table of rows (K, columns), got {shape} {dtype}")
    if header is not None and PANDAS in header:
        raise ShapeError(
            f"{name} is a table of pandas without names of columns; write it with {RECIPE}"
        )
    if columns is None:
        used = by_header(header or [], name, forms)
    else:
        used = by_hand(columns, header, name, forms)
    _require_kinds(used, shape, dtype, name)
    return used


def _require_kinds(used: Columns, shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Raise unless boxes are numbers, and each row has all columns."""
    if dtype.names is None:
        most = max(used.box + tuple(at for at in (used.image, used.id) if at is not None))
        if most >= shape[1]:
            raise ShapeError(f"{name} must have {most + 1} columns, as columns says, got {shape}")
    for at in used.box:
        kind = dtype[at] if dtype.names is not None else dtype
        if kind.kind not in "iuf" or kind.itemsize > 8:
            raise DTypeError(f"{name} must hold boxes of real numbers of at most 64 bits, "
                             f"got {dtype}")  # fmt: skip
    for key in (used.image, used.id):
        if key is not None and dtype.names is not None:
            _require_key(dtype[key], f"{name}: {dtype.names[key]}")


def _require_key(dtype: np.dtype[Any], name: str) -> None:
    """Raise unless a column holds what can name images or boxes."""
    if dtype.kind in "iuf" or holds_texts(dtype):
        return
    recipe = f"; if pandas pickled texts there, write the table with {RECIPE}"
    raise DTypeError(f"{name} must hold numbers or texts, got {dtype}{recipe * dtype.hasobject}")
