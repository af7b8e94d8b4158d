"""How long the tiers of a reply take."""

import time


class Clock:
    """Seconds per tier."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Adds the time since the last lap to `name`."""
        now = time.perf_counter()
        self._laps[name] = self._laps.get(name, 0.0) + now - self._last
        self._last = now

    def mark(self, name: str) -> None:
        """Notes the time since the start, once."""
        self._laps.setdefault(name, time.perf_counter() - self._start)

    def seconds(self) -> dict[str, float]:
        """Everything measured, in seconds, with the total."""
        return {name: round(value, 4) for name, value in {**self._laps, "total": time.perf_counter() - self._start}.items()}
