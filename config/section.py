"""What all sections of the settings share: unknown keys are errors, and nothing changes after loading."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
