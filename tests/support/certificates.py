"""Certificates of an authority of our own, for TLS between the processes of a test."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, kw_only=True)
class Papers:
    """Files in PEM."""

    authority: Path
    """Who is trusted."""
    certificate: Path
    """Signed by it, for this machine."""
    key: Path
    """The certificate's."""

    @property
    def dask(self) -> dict[str, str]:
        """Environment variables that make every process of Dask talk TLS only."""
        prefix = "DASK_DISTRIBUTED__COMM__"
        roles = {
            f"{prefix}TLS__{role}__{name}": str(path)
            for role in ("CLIENT", "SCHEDULER", "WORKER")
            for name, path in (("CERT", self.certificate), ("KEY", self.key))
        }
        return {**roles, f"{prefix}TLS__CA_FILE": str(self.authority), f"{prefix}REQUIRE_ENCRYPTION": "true"}

    @property
    def client(self) -> dict[str, str]:
        """The client's part of it, for Dask's configuration within this process."""
        return {
            "distributed.comm.tls.ca-file": str(self.authority),
            "distributed.comm.tls.client.cert": str(self.certificate),
            "distributed.comm.tls.client.key": str(self.key),
        }


def make_papers(folder: Path) -> Papers:
    """A new authority, and a certificate of it; good for a day."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Papers(authority=folder / "authority.pem", certificate=folder / "certificate.pem", key=folder / "key.pem")
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _name("authority")
    made.authority.write_bytes(_pem(
        _begun(authority, authority, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    ))  # fmt: skip
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made.certificate.write_bytes(_pem(
        _begun(_name("anybody"), authority, key)
        .add_extension(here, critical=False)
        .sign(authority_key, hashes.SHA256())
    ))  # fmt: skip
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip
    return made


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )  # fmt: skip


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
