"""The settings of the links in e-mails."""

from pydantic import BaseModel, ConfigDict, field_validator

from tidings.model import SecretRef


class UnsubscribeSettings(BaseModel):
    """The ``unsubscribe`` section: what seals the links by which readers unsubscribe."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    secret: str | tuple[str, ...] = ()
    """Where the secret is, ``env:NAME`` or ``file:PATH``, at least 32 characters. Of a list the first seals, and links
    that any of them sealed work: keep the old ones for as long as e-mails lie in mailboxes."""

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """The references, the one that seals first."""
        named = (self.secret,) if isinstance(self.secret, str) else self.secret
        return tuple(SecretRef.parse(each) for each in named)

    @field_validator("secret")
    @classmethod
    def _secrets_are_references(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for each in (value,) if isinstance(value, str) else value:
            SecretRef.parse(each)
        return value
