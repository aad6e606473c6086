"""A far side in a process of its own: `python -m bench.far discord|telegram A_SECOND SECONDS`.

Prints its address as soon as it listens, and speaks once somebody is there.
"""

import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # where the platforms of the tests are

from bench.figures import texts
from platforms.discord import DiscordServer
from platforms.telegram import BotApi


async def main(name: str, a_second: int, seconds: int) -> None:
    said = texts()
    server = DiscordServer() if name == "discord" else BotApi()
    async with server:
        print(server.url, flush=True)
        if isinstance(server, DiscordServer):
            await server.connected()
            await asyncio.sleep(1)
        else:
            while "getUpdates" not in server.calls:
                await asyncio.sleep(0.01)
        began = time.perf_counter()
        for number in range(a_second * seconds):
            await asyncio.sleep(max(0.0, began + number / a_second - time.perf_counter()))
            text = f"{said[number % len(said)]} {number}"
            if isinstance(server, DiscordServer):
                await server.write(text)
            else:
                server.write(text=text)
        await asyncio.sleep(60)


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
