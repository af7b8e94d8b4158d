"""Content Credentials (C2PA) in what a model made: signed, inside the file, readable by anybody's tools.

They say that a model made it, which one, from which words and seed, and that nobody changed it since. The certificate is this server's own, so
they prove that the file is whole and not who signed it; a host with a certificate of its own puts it in the place of this one.
"""

import io
import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nextgpt_chat import __version__

log = logging.getLogger(__name__)

KEY, CERTIFICATE = "c2pa.key", "c2pa.pem"
"""Files in the data folder: an ES256 key, and its certificate with those that vouch for it behind it, both PEM."""
LABEL = "org.nextgpt-chat.generation"
"""Name of the assertion that says how a medium was made."""
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
YEARS = 20
"""For how long a certificate that is made here is good."""

Sign = Callable[[bytes, str, dict[str, Any]], bytes]
"""A file, its type and how it was made (model, revision, prompt, seed, settings) -> the same file with credentials."""


def signer(folder: Path) -> Sign:
    """Signs with the key in `folder`, which is made where there is none. Where that cannot be, files stay as they are, and the log says why."""
    try:
        import c2pa  # a native library, which not every system can load
    except (ImportError, OSError, RuntimeError) as error:
        log.warning("media get no content credentials, since the C2PA library cannot be loaded: %s", error)
        return lambda file, _mime, _how: file
    key, certificate = _identity(folder)

    def sign(file: bytes, mime: str, how: dict[str, Any]) -> bytes:
        signed = io.BytesIO()
        try:
            settings = c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}})
            # No time stamp either: nobody is asked over the network.
            with (
                c2pa.Context(settings) as context,
                c2pa.Signer.from_info(c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, certificate, key, None)) as identity,
                c2pa.Builder(json.dumps(manifest(mime, how)), context) as builder,
            ):
                builder.sign(identity, mime, io.BytesIO(file), signed)
        except Exception:  # a medium is never lost for want of a signature
            log.exception("a medium could not be signed and is kept without content credentials")
            return file
        return signed.getvalue()

    return sign


def manifest(mime: str, how: dict[str, Any]) -> dict[str, Any]:
    """What is signed: the action by which the medium came to be, and how it was made."""
    begun = "compositeWithTrainedAlgorithmicMedia" if "start" in how.get("settings", {}) else "trainedAlgorithmicMedia"
    agent = {"name": str(how["model"]), "version": str(how["revision"])}
    created = {"action": "c2pa.created", "digitalSourceType": f"{SOURCE}{begun}", "softwareAgent": agent}
    return {
        "claim_generator_info": [{"name": "NExT-GPT Chat", "version": __version__}],
        "title": how["prompt"],
        "format": mime,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": LABEL, "data": how},
        ],
    }


def _identity(folder: Path) -> tuple[bytes, bytes]:
    """Key and certificate chain in `folder`, PEM."""
    key, certificate = folder / KEY, folder / CERTIFICATE
    if not (key.is_file() and certificate.is_file()):
        folder.mkdir(parents=True, exist_ok=True)
        made = new_identity()
        for path, data in zip((key, certificate), made, strict=True):
            new = path.with_name(f"{path.name}.new")
            with os.fdopen(os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
                file.write(data)
            os.replace(new, path)
    return key.read_bytes(), certificate.read_bytes()


def new_identity() -> tuple[bytes, bytes]:
    """A fresh key and a certificate for it, PEM, in the profile of the C2PA specification (certificate profiles): vouched for by an authority
    whose key is thrown away at once."""
    root, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _certificate("NExT-GPT Chat root", root, "NExT-GPT Chat root", root, authority=True)
    certificate = _certificate("NExT-GPT Chat", own, "NExT-GPT Chat root", root, authority=False)
    chain = certificate.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM)
    return own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), chain


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, signing: ec.EllipticCurvePrivateKey, authority: bool
) -> x509.Certificate:
    today = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
        .add_extension(usage, critical=True)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(signing, SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "NExT-GPT Chat"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
