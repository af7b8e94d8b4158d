"""Settings: one frozen object for the application, one for a single reply."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


@dataclass(frozen=True)
class ReplySettings:
    """How one reply is made."""

    seed: int | None = None
    """Seed of everything random in the reply; None draws one. 0 to 2**31 - 1."""
    temperature: float = 0.0
    """Sampling temperature of the language model; 0 takes the most probable token."""
    max_new_tokens: int | None = None
    """Most tokens that one reply may have; None takes the checkpoint's own."""
    steps: int | None = None
    """Denoising steps of a medium; None takes the checkpoint's own."""
    guidance: float | None = None
    """Guidance scale of a medium; None takes the checkpoint's own."""
    frames: int | None = None
    """Frames of a clip; None takes the checkpoint's own."""
    seconds: float | None = None
    """Length of a sound; None takes the checkpoint's own."""
    kinds: tuple[str, ...] = ()
    """Kinds of media that the reply has, and no others; empty leaves the choice to the model."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinds", tuple(self.kinds))  # JSON, through which jobs come, has lists alone


class Settings(BaseSettings):
    """Settings of the application, read from NEXTGPT_* environment variables; immutable once made."""

    model_config = SettingsConfigDict(env_prefix="NEXTGPT_", frozen=True, extra="ignore")

    host: str = Field(default_factory=lambda: os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    """Address that the server listens on; 0.0.0.0 serves the network. A Gradio Space names its own."""
    port: int = Field(7860, ge=1, le=65535)
    """Port that the server listens on."""
    root_path: str = Field("", pattern=r"^(/[\w.~-]+)*$")
    """Path under which a proxy in front of the server shows the app, such as `/chat`, and which it takes away when it asks the server."""
    model: str = "tinyland"
    """Name of a folder in `checkpoints`, or a path to a checkpoint folder; of several, with commas between them, the first one answers where
    nobody chooses another."""
    checkpoints: Path = Path(__file__).resolve().parent.parent / "checkpoints"
    """Folder that holds one folder per model."""
    data: Path = Path("data")
    """Folder for everything that lasts: the database, the media, the signing key."""
    database: str = ""
    """SQLAlchemy URL; empty means SQLite in the data folder."""
    snapshot: Path | None = None
    """Folder that keeps a copy of everything that lasts where the data folder does not last, such as a mounted bucket: it is written every
    ten minutes and at the end, and brought back at the start. SQLite alone."""
    drain_seconds: float = Field(8.0, ge=0)
    """How long a reply that is being made at the end of the server (SIGTERM) may go on, in seconds; then it is interrupted."""
    device: str = "auto"
    """Where the model runs: `auto`, `cpu`, `cuda` for all GPUs, `cuda:1` for one, ..."""
    fit: Literal["auto", "whole", "spread", "decoders", "tiers", "tiers-int8", "tiers-int4"] = "auto"
    """How a model's parts share the GPU's memory: `whole`, `spread` over several, `decoders` wait in main memory, `tiers` are there one at a time, `tiers-int8` with
    the language model in 8 bits, `tiers-int4` in 4; `auto` takes the first of these that fits into what is free."""
    steps: int | None = Field(None, ge=1)
    """Denoising steps of a picture; empty takes the model's own."""
    max_upload_mb: int = Field(20, ge=1)
    """Largest accepted file, in megabytes (10**6 bytes)."""
    max_image_pixels: int = Field(40_000_000, ge=1)
    """Largest accepted picture, width × height."""
    max_audio_seconds: int = Field(120, ge=1)
    """Longest accepted sound, in seconds."""
    max_video_seconds: int = Field(60, ge=1)
    """Longest accepted clip, in seconds."""
    max_video_pixels: int = Field(2_073_600, ge=1)
    """Largest accepted clip, width × height of one frame; 2,073,600 is 1920 × 1080."""
    max_files_per_message: int = Field(4, ge=1)
    """Most files in one message."""
    max_message_characters: int = Field(4_000, ge=1)
    """Longest accepted message text."""
    max_waiting_jobs: int = Field(50, ge=1)
    """Replies that may wait over all visitors; one more is refused."""
    max_jobs_per_visitor: int = Field(3, ge=1)
    """Replies that may wait or be made for one visitor at a time."""
    max_replies_per_minute: int = Field(20, ge=1)
    """Replies that one visitor may ask for within a minute."""
    max_requests_per_minute: int = Field(600, ge=1)
    """Messages, uploads and other requests that change something, from one address within a minute."""
    proxies: int = Field(0, ge=0)
    """Proxies of the host's own before the server, which add the address that they see to `X-Forwarded-For`."""
    max_files_per_visitor: int = Field(5_000, ge=1)
    """Different files in all conversations of one visitor."""
    retention_days: int | None = Field(None, ge=1)
    """Days after which a conversation in which nothing was said is deleted; empty keeps all."""
    max_conversations: int = Field(500, ge=1)
    """Conversations that one visitor may keep."""
    accounts: bool = True
    """Whether visitors may make accounts with a name and a password. Those that are there stay in any case."""
    oauth_provider: str = Field(default_factory=lambda: os.environ.get("OPENID_PROVIDER_URL", "https://huggingface.co"))
    """Address of an OpenID service that signs visitors in as well. A Space with `hf_oauth` names its own, with client id and secret."""
    oauth_client_id: str = Field(default_factory=lambda: os.environ.get("OAUTH_CLIENT_ID", ""))
    """What this server is called at that service; empty if it is not used."""
    oauth_client_secret: SecretStr = Field(default_factory=lambda: SecretStr(os.environ.get("OAUTH_CLIENT_SECRET", "")))
    """What proves it there."""
    admins: str = ""
    """Names at that service, with commas between them, that are admins here; only for services whose names are unique, as Hugging Face's are."""
    media_url_seconds: int = Field(3600, ge=60)
    """How long a media URL stays valid."""

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database or f"sqlite:///{(self.data / 'nextgpt.db').resolve()}"

    @property
    def models(self) -> list[str]:
        """The names in `model`, each once."""
        return list(dict.fromkeys(name.strip() for name in self.model.split(",") if name.strip())) or [self.model]

    @property
    def media(self) -> Path:
        """Folder of the content store."""
        return self.data / "media"
