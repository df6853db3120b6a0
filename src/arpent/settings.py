"""Settings: one frozen value, from `ARPENT_*` variables and a TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from arpent.domain.errors import InvalidRequest
from arpent.jobs.policy import Policy


class Settings(BaseSettings):
    """Everything an operator may set. Environment beats file; the file is `arpent.toml` or `$ARPENT_CONFIG`."""

    model_config = SettingsConfigDict(
        env_prefix="ARPENT_", env_nested_delimiter="__", toml_file="arpent.toml", frozen=True, extra="forbid"
    )

    database_url: str = "sqlite:///arpent.db"
    """Where jobs live: sqlite:///file or postgresql://user:password@host/name."""
    buckets: Path | None = None
    """A folder that stands for S3: s3://name/key is folder/name/key. Unset: real S3, honouring AWS_*."""
    catalog: str | None = None
    """A STAC API URL, `earth-search`, or a folder or file of STAC items."""
    catalogs: dict[str, str] = Field(default_factory=dict)
    """Another catalogue for one collection: id → URL or folder."""
    collections: Path | None = None
    """A folder of further collection TOML files; they win over the built-in ones."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8000
    """Port to listen on; 0: any free one."""
    executor: str = "processes"
    """processes, processes:N, inline (in this process, for debugging) or dask://host:port."""
    insecure_transport: bool = False
    """Hand out tokens over plain http beyond this machine, too."""
    trust_forwarded: bool = False
    """A proxy in front ends TLS; believe the X-Forwarded-Proto that it sets."""
    token_seconds: int = 3600
    """How long a token is good."""
    secret_key: SecretStr | None = None
    """Signs tokens and encrypts stored credentials; unset: made once and kept in the database."""
    script_seconds: float = 60.0
    """Longest one call of an evalscript may take."""
    script_memory: int = 512
    """Mebibytes an evalscript's heap may grow to."""
    compile_scripts: bool = True
    """Run the numeric part of evalscripts as machine code, checked against the interpreter."""
    unfiltered_scripts: bool = False
    """Run evalscripts even where the system-call filter of their sandbox cannot be installed."""
    pixel_budget: int = 4_000_000
    """Samples a partition may hold; bounds the memory of a worker."""
    synchronous_workers: int = Field(2, ge=1)
    """Processes that one client's synchronous and explain requests may take at once; there is one more than that."""
    synchronous_seconds: float = Field(120.0, gt=0)
    """Longest that a synchronous or explain request may compute; and longest that it may wait for its turn."""
    synchronous_memory: int = Field(2048, ge=512)
    """Mebibytes that such a process may have."""
    synchronous_pixel_budget: int = Field(6_250_000, ge=1)
    """Samples that such a request may hold, over all scenes of an interval: 2500 x 2500 in one scene."""
    synchronous_queue: int = Field(16, ge=1)
    """Synchronous and explain requests of one client that may wait."""
    features_seconds: float = Field(600.0, gt=0)
    """Longest that reading a GeoPackage may take."""
    features_memory: int = Field(4096, ge=512)
    """Mebibytes that the process which reads a GeoPackage may have."""
    features_bytes: int = Field(2_000_000_000, ge=1)
    """Bytes of a GeoPackage, at most."""
    features_rows: int = Field(5_000_000, ge=1)
    """Features of a GeoPackage, at most; policy.maximum_features may be less."""
    parquet: bool = True
    """Write one Parquet data set beside the JSON files."""
    lenient_histograms: bool = False
    """Accept integer edges for a float output (JavaScript writes 1.0 as 1); the real service refuses."""
    log_format: Literal["text", "json"] = "text"
    """How log lines look."""
    policy: Policy = Policy()
    """Limits of a job's life, see docs/settings.md."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load(**given: object) -> Settings:
    """Settings of this process; what is given beats environment and file. Raises InvalidRequest naming the setting."""
    try:
        return Settings(**{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "ARPENT_" + "__".join(str(part) for part in first["loc"]).upper()
        raise InvalidRequest(f"Setting {name}: {first['msg']}") from None
