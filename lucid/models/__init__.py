"""Building blocks of models."""

from lucid.models import utils

__all__ = ["utils"]
