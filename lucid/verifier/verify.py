"""Whether crops are what their inputs give: what `lucid-roialign verify` does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Unpack

from lucid.stream.checks import PathLike, SourceLike
from lucid.stream.extraction import Progress
from lucid.stream.options import documented
from lucid.verifier.options import VERIFY, VerifyOptions
from lucid.verifier.report import VerifyReport
from lucid.verifier.request import Request
from lucid.verifier.verification import Verification


@partial(documented, kinds=VerifyOptions, table=VERIFY)
def verify(
    crops: PathLike,
    features: SourceLike | Sequence[PathLike] | None = None,
    rois: SourceLike | None = None,
    *,
    on_progress: Progress | None = None,
    **options: Unpack[VerifyOptions],
) -> VerifyReport:
    """Make rows of a file of crops anew from its inputs, and compare them.

    Parameters
    ----------
    crops : path
        What `lucid.extract` wrote: a file, a store, or with '{id}' the files or groups of images.
        All but .npy files and files of images say what they were made from.
    features, rois : path or array, optional
        As for `lucid.extract`, in place of what the file says.
    on_progress : callable, optional
        Is told the number of rows done, after every batch.
    **options
        The options of the command, with the same names and defaults. Those of `extract` replace
        what the file says.

        {options}

    Returns
    -------
    VerifyReport
        What was found; `good` says whether all is as it should be.

    Raises
    ------
    SourceError, ShapeError, DTypeError
        If the file or an input cannot be read.
    RoiError
        If a row is asked for that is not there.
    ValueError, TypeError
        If another argument has no meaning.

    Examples
    --------
    >>> import lucid, os, tempfile
    >>> crops = os.path.join(tempfile.mkdtemp(), "crops.h5")
    >>> _ = lucid.extract("sample_data/features.h5", "sample_data/rois.npy", crops)
    >>> lucid.verify(crops).good
    True
    """
    arguments = {"features": features, "rois": rois, **options}
    with Verification(Request(crops, **arguments)) as verification:
        return verification.run(on_progress)
