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
"""Upper limit of pixel budgets: samples are numbered with 32-bit integers."""

Text = Annotated[str, Field(min_length=1)]
Hosts = Annotated[
    tuple[Annotated[str, each(is_entry, "host, host:port, URL, /path or ./path")], ...], BeforeValidator(listed)
]
Grants = Annotated[tuple[Annotated[str, each(is_grant, "bucket, bucket/prefix or *")], ...], BeforeValidator(listed)]
Address = Annotated[Text, AfterValidator(address)]
SourceEntry = Annotated[ArchiveSource, BeforeValidator(table_entry)]
Keys = Annotated[tuple[Annotated[SecretStr, AfterValidator(long_key)], ...], BeforeValidator(key_list)]


class Settings(BaseModel):
    """All settings, read by `load`. A `description` states the allowed values where the type does not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: Annotated[Text, AfterValidator(job_database)] = Field(
        "sqlite:///arpent.db", description="sqlite:///file or postgresql://user:password@host/name"
    )
    """Database of the jobs: sqlite:///file or postgresql://user:password@host/name."""
    buckets: Path | None = Field(None, description="a folder")
    """Folder in place of S3: s3://name/key is folder/name/key. Unset: real S3, configured by the AWS_* variables."""
    catalog: Address | None = Field(
        None,
        description="the URL of a STAC API, an archive such as earth-search, a folder or file, or s3://bucket/prefix",
    )
    """Where items are searched for: the URL of a STAC API, the name of an archive (`earth-search`), a folder or file of
    STAC items, or stac-geoparquet, which may also be at s3://bucket/prefix."""
    catalogs: dict[str, Address] = Field(default_factory=dict, description='catalogues by collection: {"dem": "./dem"}')
    """A different catalogue for one collection: collection id → URL or folder."""
    sources: dict[str, SourceEntry] = Field(
        default_factory=dict,
        description='archives by name: {"minio": {"match": "s3://results", "endpoint": "http://…"}}',
    )
    """How to open hosts and buckets; see docs/archives.md. An entry with the name of a preset changes that preset."""
    bucket_grants: dict[str, Grants] = Field(
        default_factory=dict, description='buckets by client: {"ID": ["fields", "results/ID"], "*": ["shared"]}'
    )
    """What clients may use without keys of their own: client id → buckets and prefixes. Empty: every client may use
    everything."""
    quotas: dict[str, Annotated[Quota, BeforeValidator(table_entry)]] = Field(
        default_factory=dict, description=QUOTA_WORDS
    )
    """Limits on clients' use: client id, or * for all clients → limits; see docs/operation.md. Empty: no limits."""
    collections: Path | None = Field(None, description="a folder")
    """Folder of additional collection TOML files, which replace built-in collections of the same id."""
    reachable: Hosts = Field(
        (), description="hosts and folders, separated by commas: images.local, 10.0.0.5:9000, /data/imagery"
    )
    """Hosts and folders to which items may lead, in addition to public hosts and the folder of their catalogue."""
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
    """Also issue tokens over plain http to clients on other machines."""
    trust_forwarded: bool = False
    """A proxy in front terminates TLS; trust the X-Forwarded-Proto, -Host and -Prefix that it sets."""
    public_metrics: bool = False
    """Show /metrics to everyone who can reach the server."""
    token_seconds: int = Field(3600, ge=1)
    """Lifetime of a token in seconds."""
    secret_key: Keys = Field((), description=f"at least {SHORTEST_KEY} bytes; several, separated by commas")
    """The first key signs tokens and encrypts stored credentials; the others are only used to verify and decrypt.
    Unset: one key is created and kept in the database."""
    oidc_issuer: Annotated[str, AfterValidator(issuer_url)] | None = Field(None, description="https://host/path")
    """An OpenID Connect issuer whose tokens are accepted as well; see docs/operation.md. Unset: there is none."""
    oidc_audience: Text | None = Field(None, description="the audience that tokens are for")
    """Value that the `aud` of its tokens must contain; required with oidc_issuer."""
    oidc_scope: Text | None = Field(None, description="one scope")
    """A scope that its tokens must have."""
    oidc_owner_claim: Text = Field("sub", description="the name of a claim")
    """The claim of its tokens that identifies the owner of requests."""
    oidc_operator_scope: Text | None = Field(None, description="one scope")
    """The scope of its tokens that grants the operator role."""
    oidc_metrics_scope: Text | None = Field(None, description="one scope")
    """The scope of its tokens that grants access to metrics only."""
    own_tokens: bool = True
    """Issue and accept tokens for this server's own clients."""
    script_seconds: float = Field(60.0, gt=0, le=86_400)
    """Time limit of one call of an evalscript, in seconds."""
    script_memory: int = Field(512, ge=16, le=1 << 20)
    """Maximum heap of an evalscript, in mebibytes."""
    compile_scripts: bool = True
    """Run the numeric part of evalscripts as machine code, checked against the interpreter."""
    unfiltered_scripts: bool = False
    """Run evalscripts even where the system-call filter of their sandbox cannot be installed."""
    pixel_budget: int = Field(4_000_000, ge=1, le=LARGEST_BUDGET)
    """Number of samples that a worker processes at once, for one scene with three bands; see `engine.budget`."""
    synchronous_workers: int = Field(2, ge=1, le=1024)
    """Processes that one client's synchronous and explain requests may use at once; there is one more process."""
    synchronous_seconds: float = Field(120.0, gt=0, le=86_400)
    """Time limit in seconds of a synchronous or explain request, and of its wait for a free process."""
    synchronous_memory: int = Field(2048, ge=512, le=1 << 20)
    """Memory limit of a process for synchronous requests, in mebibytes."""
    synchronous_cache: int = Field(1024, ge=0, le=1 << 20)
    """Decoded image blocks that each such process caches in addition, in mebibytes; 0: none."""
    synchronous_pixel_budget: int = Field(6_250_000, ge=1, le=LARGEST_BUDGET)
    """Maximum number of samples of a synchronous request, over all scenes of an interval: 2500 x 2500 in one scene."""
    synchronous_queue: int = Field(16, ge=1, le=100_000)
    """Maximum number of waiting synchronous and explain requests of one client."""
    features_seconds: float = Field(600.0, gt=0, le=86_400)
    """Time limit of reading a file of features, in seconds."""
    features_memory: int = Field(4096, ge=512, le=1 << 20)
    """Memory limit of the process that reads a file of features, in mebibytes."""
    features_bytes: int = Field(2_000_000_000, ge=1, le=1 << 50)
    """Maximum size of a file of features, and of the contents of an archive with one, in bytes."""
    features_rows: int = Field(5_000_000, ge=1, le=LARGEST_BUDGET)
    """Maximum number of features in a file; policy.maximum_features may be lower."""
    upload_bytes: int = Field(100_000_000, ge=0, le=1 << 31)
    """Maximum size in bytes of a file uploaded on the page, where buckets are a folder; 0: uploads are refused."""
    basemap: Annotated[str, AfterValidator(image_template)] | None = Field(
        None, description="https://host/{z}/{x}/{y}.png"
    )
    """Base map of the page: a URL template for images in Web Mercator. Unset: none."""
    cache: Annotated[str, AfterValidator(folder_of_size)] | None = Field(None, description="folder:20GB")
    """Folder that caches ranges of remote images, and its maximum size: /var/cache/arpent:20GB. Unset: nothing is
    cached."""
    parquet: bool = True
    """Write one Parquet data set in addition to the JSON files."""
    results: ResultForm = Field(ResultForm.FILES_AND_TABLE, description="files,table; table; or files")
    """What jobs write if the request does not say: files,table, table or files."""
    lenient_histograms: bool = False
    """Accept integer edges for a float output (JavaScript writes 1.0 as 1); the real service refuses them."""
    log_format: Literal["text", "json"] = "text"
    """Format of log lines."""
    otlp_endpoint: Annotated[str, AfterValidator(web_address)] | None = Field(None, description="http://host:4318")
    """URL of an OpenTelemetry collector (OTLP over HTTP) for traces; needs the extra `otel`. Unset: no traces."""
    audit_log: Path | None = Field(None, description="a file")
    """File for a line about each act of clients and operators. Unset: these lines are only in the general log."""
    policy: Policy = Policy()
    """Limits of a job's life, see docs/settings.md."""

    def cache_folder(self) -> tuple[Path, int]:
        """Folder and size in bytes of `cache`, which must be set."""
        assert self.cache is not None, "there is no cache"
        folder, size = folder_and_bytes(self.cache)
        return Path(folder), size


TABLES = ("policy", "catalogs", "bucket_grants", "sources", "quotas")
"""Settings that are tables; in all but `policy`, entries may have any name."""
