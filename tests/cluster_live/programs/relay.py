"""``relay.py HOST PORT``: pass every connection to port 9000 on to another address."""

import asyncio
import contextlib
import sys
from asyncio import StreamReader, StreamWriter

PORT = 9000


async def main(host: str, port: int, own_port: int = PORT) -> None:
    """Serve until somebody ends us."""

    async def pass_on(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(host, port)
        except OSError as error:
            print(f"{host}:{port} does not answer: {error}", flush=True)
            writer.close()
            return
        await asyncio.gather(copy(reader, back), copy(there, writer))

    server = await asyncio.start_server(pass_on, "0.0.0.0", own_port)
    async with server:
        await server.serve_forever()


async def copy(reader: StreamReader, writer: StreamWriter) -> None:
    """Copy bytes until their sender ends."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1], int(sys.argv[2])))
