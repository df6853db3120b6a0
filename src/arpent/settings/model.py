"""Model: all settings with their types, bounds and defaults, as one frozen value."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from arpent.domain.request import ResultForm
from arpent.jobs.bucket_grants import is_grant
from arpent.jobs.policy import QUOTA_WORDS, Policy, Quota
from arpent.network.policy import is_entry
from arpent.network.source import ArchiveSource
from arpent.setting_values import (
    SHORTEST_KEY,
    address,
    each,
    folder_and_bytes,
    folder_of_size,
    image_template,
    issuer_url,
    job_database,
    key_list,
    listed,
    long_key,
    table_entry,
    web_address,
)

LARGEST_BUDGET = 2**31 - 1
"""Upper limit of pixel budgets: samples are numbered by 32 bits."""

Text = Annotated[str, Field(min_length=1)]
Hosts = Annotated[
    tuple[Annotated[str, each(is_entry, "host, host:port, URL, /path or ./path")], ...], BeforeValidator(listed)
]
Grants = Annotated[tuple[Annotated[str, each(is_grant, "bucket, bucket/prefix or *")], ...], BeforeValidator(listed)]
Address = Annotated[Text, AfterValidator(address)]
SourceEntry = Annotated[ArchiveSource, BeforeValidator(table_entry)]
Keys = Annotated[tuple[Annotated[SecretStr, AfterValidator(long_key)], ...], BeforeValidator(key_list)]


class Settings(BaseModel):
    """All settings; `load` reads them. A `description` says what is allowed where the type does not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: Annotated[Text, AfterValidator(job_database)] = Field(
        "sqlite:///arpent.db", description="sqlite:///file or postgresql://user:password@host/name"
    )
    """Database of the jobs: sqlite:///file or postgresql://user:password@host/name."""
    buckets: Path | None = Field(None, description="a folder")
    """Folder in place of S3: s3://name/key is folder/name/key. Unset: real S3, with the AWS_* variables."""
    catalog: Address | None = Field(
        None,
        description="the URL of a STAC API, an archive such as earth-search, a folder or file, or s3://bucket/prefix",
    )
    """A STAC API URL, the name of an archive (`earth-search`), a folder or file of STAC items, or stac-geoparquet, also
    as s3://bucket/prefix."""
    catalogs: dict[str, Address] = Field(default_factory=dict, description='catalogues by collection: {"dem": "./dem"}')
    """Another catalogue for one collection: id → URL or folder."""
    sources: dict[str, SourceEntry] = Field(
        default_factory=dict,
        description='archives by name: {"minio": {"match": "s3://results", "endpoint": "http://…"}}',
    )
    """How hosts and buckets are opened, see docs/archives.md; an entry with the name of a preset's changes that one."""
    bucket_grants: dict[str, Grants] = Field(
        default_factory=dict, description='buckets by client: {"ID": ["fields", "results/ID"], "*": ["shared"]}'
    )
    """What clients may use without keys of their own: client id → buckets and prefixes. Empty: every client may use
    everything."""
    quotas: dict[str, Annotated[Quota, BeforeValidator(table_entry)]] = Field(
        default_factory=dict, description=QUOTA_WORDS
    )
    """What clients may take: client id, or * for all → limits, see docs/operation.md. Empty: as much as they like."""
    collections: Path | None = Field(None, description="a folder")
    """Folder of further collection TOML files; they replace built-in ones of the same id."""
    reachable: Hosts = Field(
        (), description="hosts and folders, separated by commas: images.local, 10.0.0.5:9000, /data/imagery"
    )
    """Hosts and folders that items may lead to, beside public hosts and the folder of their catalogue."""
    host: Text = Field("127.0.0.1", description="an address of this machine")
    """Address to listen on."""
    port: int = Field(8000, ge=0, le=65_535)
    """Port to listen on; 0: any free one."""
    executor: str = Field(
        "processes",
        pattern=r"^(inline|processes(:[1-9]\d{0,3})?|dask(\+tls)?://[^/\s]+:\d+)$",
        description="inline, processes, processes:N, dask://host:port or dask+tls://host:port",
    )
    """processes, processes:N, inline (in this process, for debugging) or dask://host:port."""
    insecure_transport: bool = False
    """Give out tokens over plain http beyond this machine, too."""
    trust_forwarded: bool = False
    """A proxy in front terminates TLS; trust the X-Forwarded-Proto, -Host and -Prefix that it sets."""
    public_metrics: bool = False
    """Show /metrics beyond this machine, too."""
    token_seconds: int = Field(3600, ge=1)
    """Lifetime of a token in seconds."""
    secret_key: Keys = Field((), description=f"at least {SHORTEST_KEY} bytes; several, separated by commas")
    """The first signs tokens and encrypts stored credentials, the others still open. Unset: one is created once and
    kept in the database."""
    oidc_issuer: Annotated[str, AfterValidator(issuer_url)] | None = Field(None, description="https://host/path")
    """An OpenID Connect issuer whose tokens are accepted, too; see docs/operation.md. Unset: none is."""
    oidc_audience: Text | None = Field(None, description="the audience that tokens are for")
    """An entry of `aud` that its tokens must have; needed with oidc_issuer."""
    oidc_scope: Text | None = Field(None, description="one scope")
    """A scope that its tokens must have."""
    oidc_owner_claim: Text = Field("sub", description="the name of a claim")
    """The claim of its tokens that says whose requests they bring."""
    oidc_operator_scope: Text | None = Field(None, description="one scope")
    """The scope of its tokens that makes an operator."""
    oidc_metrics_scope: Text | None = Field(None, description="one scope")
    """The scope of its tokens that makes a client for metrics alone."""
    own_tokens: bool = True
    """Give out and accept tokens of this server's own clients."""
    script_seconds: float = Field(60.0, gt=0, le=86_400)
    """Time limit of one call of an evalscript, in seconds."""
    script_memory: int = Field(512, ge=16, le=1 << 20)
    """Maximum heap of an evalscript, in mebibytes."""
    compile_scripts: bool = True
    """Run the numeric part of evalscripts as machine code, checked against the interpreter."""
    unfiltered_scripts: bool = False
    """Run evalscripts even where the system-call filter of their sandbox cannot be installed."""
    pixel_budget: int = Field(4_000_000, ge=1, le=LARGEST_BUDGET)
    """Number of samples that a worker works on at once, of one scene with three bands; see `engine.budget`."""
    synchronous_workers: int = Field(2, ge=1, le=1024)
    """Processes that one client's synchronous and explain requests may use at once; there is one process more."""
    synchronous_seconds: float = Field(120.0, gt=0, le=86_400)
    """Time limit in seconds of a synchronous or explain request, and of its wait for a free process."""
    synchronous_memory: int = Field(2048, ge=512, le=1 << 20)
    """Memory limit of such a process, in mebibytes."""
    synchronous_cache: int = Field(1024, ge=0, le=1 << 20)
    """Decoded blocks of images that each such process keeps beyond that, in mebibytes; 0: none."""
    synchronous_pixel_budget: int = Field(6_250_000, ge=1, le=LARGEST_BUDGET)
    """Maximum number of samples of such a request, over all scenes of an interval: 2500 x 2500 in one scene."""
    synchronous_queue: int = Field(16, ge=1, le=100_000)
    """Maximum number of waiting synchronous and explain requests of one client."""
    features_seconds: float = Field(600.0, gt=0, le=86_400)
    """Time limit of reading a file of features, in seconds."""
    features_memory: int = Field(4096, ge=512, le=1 << 20)
    """Memory limit of the process that reads a file of features, in mebibytes."""
    features_bytes: int = Field(2_000_000_000, ge=1, le=1 << 50)
    """Maximum size of a file of features, and of what an archive of one holds, in bytes."""
    features_rows: int = Field(5_000_000, ge=1, le=LARGEST_BUDGET)
    """Maximum number of features of a file; policy.maximum_features may be lower."""
    upload_bytes: int = Field(100_000_000, ge=0, le=1 << 31)
    """Maximum size in bytes of a file that is uploaded on the page, where buckets are a folder; 0: none is taken."""
    basemap: Annotated[str, AfterValidator(image_template)] | None = Field(
        None, description="https://host/{z}/{x}/{y}.png"
    )
    """Base map of the page: a template of URLs of images in Web Mercator. Unset: none."""
    cache: Annotated[str, AfterValidator(folder_of_size)] | None = Field(None, description="folder:20GB")
    """Folder in which ranges of images that lie elsewhere are kept, and its size: /var/cache/arpent:20GB. Unset: none
    are."""
    parquet: bool = True
    """Write one Parquet data set beside the JSON files."""
    results: ResultForm = Field(ResultForm.FILES_AND_TABLE, description="files,table; table; or files")
    """What jobs write whose request does not say it: files,table, table or files."""
    lenient_histograms: bool = False
    """Accept integer edges for a float output (JavaScript writes 1.0 as 1); the real service refuses them."""
    log_format: Literal["text", "json"] = "text"
    """Format of log lines."""
    otlp_endpoint: Annotated[str, AfterValidator(web_address)] | None = Field(None, description="http://host:4318")
    """URL of an OpenTelemetry collector (OTLP over HTTP) for traces; needs the extra `otel`. Unset: none are made."""
    audit_log: Path | None = Field(None, description="a file")
    """File for a line about each act of clients and operators. Unset: among the other lines only."""
    policy: Policy = Policy()
    """Limits of a job's life, see docs/settings.md."""

    def cache_folder(self) -> tuple[Path, int]:
        """Folder and bytes of `cache`, which is set."""
        assert self.cache is not None, "there is no cache"
        folder, size = folder_and_bytes(self.cache)
        return Path(folder), size


TABLES = ("policy", "catalogs", "bucket_grants", "sources", "quotas")
"""Settings that hold further ones; entries of all but `policy` may have any name."""
