"""What every section of the configuration is made of."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from nsg_cluster.core.files import absolute_path

__all__ = ["Config", "Folder", "Fraction", "NonNegative", "PositiveFloat", "PositiveInt", "RunReference"]

PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
# Made absolute when read, so that a task finds the folder wherever it runs.
Folder = Annotated[str, Field(min_length=1), AfterValidator(lambda text: str(absolute_path(text)))]


def _reference(text: str) -> str:
    """Return a folder of a run as an absolute path, and its id, the beginning of one or ``@last`` as it is."""
    return str(absolute_path(text)) if os.sep in text or text in {".", "..", "~"} else text


RunReference = Annotated[str, Field(min_length=1), AfterValidator(_reference)]


class Config(BaseModel):
    """Base of every section: frozen, unknown keys refused, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
