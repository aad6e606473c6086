"""A chat platform's server in a process of its own: `python -m bench.chat_server discord|telegram PER_SECOND SECONDS`.

Prints its address once it is ready, and sends messages as soon as a client is connected.
"""

import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the servers of the tests

from bench.figures import texts
from platforms.discord import DiscordServer
from platforms.telegram import BotApi


async def main(name: str, per_second: int, seconds: int) -> None:
    messages = texts()
    server = DiscordServer() if name == "discord" else BotApi()
    async with server:
        print(server.url, flush=True)
        if isinstance(server, DiscordServer):
            await server.connected()
            await asyncio.sleep(1)
        else:
            while "getUpdates" not in server.calls:
                await asyncio.sleep(0.01)
        started = time.perf_counter()
        for number in range(per_second * seconds):
            await asyncio.sleep(max(0.0, started + number / per_second - time.perf_counter()))
            text = f"{messages[number % len(messages)]} {number}"
            if isinstance(server, DiscordServer):
                await server.write(text)
            else:
                server.write(text=text)
        await asyncio.sleep(60)


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
