"""The SDK of MCP for Python before a gate: prints what it saw of each server, as one line of JSON.

    client.py TOKEN URL…
"""

import asyncio
import json
import pathlib
import sys

# Where .ci/run installs it: see requirements.txt beside this file.
sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / ".cache" / "python-mcp"))

import mcp
from mcp import types
from mcp.client.streamable_http import streamablehttp_client

SAID = types.TextContent(type="text", text="Paris")


def text_of(result):
    return "\n".join(getattr(item, "text", "") for item in result.content)


def refusal(result):
    return [result.isError, (result.structuredContent or {}).get("code")]


async def seen(token, url):
    asked, logs, progress = [], [], []

    async def elicited(_context, params):
        asked.append("elicitation/create")
        names = params.requestedSchema["properties"]
        return types.ElicitResult(action="accept", content={name: "Anna" for name in names})

    async def sampled(_context, _params):
        asked.append("sampling/createMessage")
        return types.CreateMessageResult(role="assistant", content=SAID, model="its model")

    async def rooted(_context):
        asked.append("roots/list")
        return types.ListRootsResult(roots=[types.Root(uri="file:///orders")])

    async def logged(params):
        logs.append(params.data)

    async def progressed(at, _total, _message):
        progress.append(int(at))

    headers = {"Authorization": f"Bearer {token}"}
    async with (
        streamablehttp_client(url, headers=headers) as (read, write, _),
        mcp.ClientSession(
            read,
            write,
            elicitation_callback=elicited,
            sampling_callback=sampled,
            list_roots_callback=rooted,
            logging_callback=logged,
        ) as session,
    ):
        opened = await session.initialize()
        tools = [tool.name for tool in (await session.list_tools()).tools]
        weather = await session.call_tool("weather_in", {"city": "Rome"})
        wrong = await session.call_tool("weather_in", {"town": "Rome"})
        denied = await session.call_tool("notes_of", {"customer_id": "C-2"})
        await session.call_tool("test_tool_with_progress", {}, progress_callback=progressed)
        await session.set_logging_level("info")
        await session.call_tool("test_tool_with_logging", {})
        legacy = "test_sampling" in tools
        asking = {
            "test_elicitation" if legacy else "test_input_required_result_elicitation": ({"message": "Who?"}, "Anna"),
            "test_sampling" if legacy else "test_input_required_result_sampling": ({"prompt": "What?"}, "Paris"),
            "test_list_roots" if legacy else "test_input_required_result_list_roots": ({}, "file:///orders"),
        }
        answers = []
        for name, (arguments, expected) in asking.items():
            result = await session.call_tool(name, arguments if legacy else {})
            answers.append(expected in text_of(result))
        resource = await session.read_resource("test://static-text")
        prompt = await session.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
        of_prompt = types.PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
        completed = await session.complete(of_prompt, {"name": "arg1", "value": "par"})
        return {
            "version": opened.protocolVersion,
            "tools": tools,
            "weather": weather.structuredContent,
            "wrong": refusal(wrong),
            "denied": refusal(denied),
            "progress": progress,
            "logs": logs,
            "asked": asked,
            "answers": answers,
            "resource": resource.contents[0].text,
            "prompt": prompt.messages[0].content.text,
            "completed": completed.completion.values,
        }


async def main(token, urls):
    for url in urls:
        print(json.dumps(await seen(token, url)))


asyncio.run(main(sys.argv[1], sys.argv[2:]))
