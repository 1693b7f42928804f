"""Modules: operators with their parameters."""

from lucid.nn.module import Module

__all__ = ["Module"]
