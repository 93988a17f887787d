"""Every operation of Letta's client, as data: its name, its method, its path without a trailing slash.

The app makes its routes from this table and from no other: an operation without a handler answers 501 with its name.
"""

import attrs


@attrs.frozen
class Operation:
    """An operation as Letta's client names it, with where it is asked for."""

    name: str
    method: str
    path: str


_TABLE = """
health                         GET    /v1/health
agents.create                  POST   /v1/agents
agents.retrieve                GET    /v1/agents/{agent_id}
agents.update                  PATCH  /v1/agents/{agent_id}
agents.list                    GET    /v1/agents
agents.delete                  DELETE /v1/agents/{agent_id}
agents.export_file             GET    /v1/agents/{agent_id}/export
agents.import_file             POST   /v1/agents/import
agents.recompile               POST   /v1/agents/{agent_id}/recompile
agents.messages.create         POST   /v1/agents/{agent_id}/messages
agents.messages.list           GET    /v1/agents/{agent_id}/messages
agents.messages.cancel         POST   /v1/agents/{agent_id}/messages/cancel
agents.messages.compact        POST   /v1/agents/{agent_id}/summarize
agents.messages.create_async   POST   /v1/agents/{agent_id}/messages/async
agents.messages.reset          PATCH  /v1/agents/{agent_id}/reset-messages
agents.messages.stream         POST   /v1/agents/{agent_id}/messages/stream
agents.schedule.create         POST   /v1/agents/{agent_id}/schedule
agents.schedule.retrieve       GET    /v1/agents/{agent_id}/schedule/{scheduled_message_id}
agents.schedule.list           GET    /v1/agents/{agent_id}/schedule
agents.schedule.delete         DELETE /v1/agents/{agent_id}/schedule/{scheduled_message_id}
agents.blocks.retrieve         GET    /v1/agents/{agent_id}/core-memory/blocks/{block_label}
agents.blocks.update           PATCH  /v1/agents/{agent_id}/core-memory/blocks/{block_label}
agents.blocks.list             GET    /v1/agents/{agent_id}/core-memory/blocks
agents.blocks.attach           PATCH  /v1/agents/{agent_id}/core-memory/blocks/attach/{block_id}
agents.blocks.detach           PATCH  /v1/agents/{agent_id}/core-memory/blocks/detach/{block_id}
agents.tools.list              GET    /v1/agents/{agent_id}/tools
agents.tools.attach            PATCH  /v1/agents/{agent_id}/tools/attach/{tool_id}
agents.tools.detach            PATCH  /v1/agents/{agent_id}/tools/detach/{tool_id}
agents.tools.run               POST   /v1/agents/{agent_id}/tools/{tool_name}/run
agents.tools.update_approval   PATCH  /v1/agents/{agent_id}/tools/approval/{tool_name}
agents.folders.list            GET    /v1/agents/{agent_id}/folders
agents.folders.attach          PATCH  /v1/agents/{agent_id}/folders/attach/{folder_id}
agents.folders.detach          PATCH  /v1/agents/{agent_id}/folders/detach/{folder_id}
agents.files.list              GET    /v1/agents/{agent_id}/files
agents.files.close             PATCH  /v1/agents/{agent_id}/files/{file_id}/close
agents.files.close_all         PATCH  /v1/agents/{agent_id}/files/close-all
agents.files.open              PATCH  /v1/agents/{agent_id}/files/{file_id}/open
agents.archives.attach         PATCH  /v1/agents/{agent_id}/archives/attach/{archive_id}
agents.archives.detach         PATCH  /v1/agents/{agent_id}/archives/detach/{archive_id}
agents.passages.create         POST   /v1/agents/{agent_id}/archival-memory
agents.passages.list           GET    /v1/agents/{agent_id}/archival-memory
agents.passages.delete         DELETE /v1/agents/{agent_id}/archival-memory/{memory_id}
agents.passages.search         GET    /v1/agents/{agent_id}/archival-memory/search
agents.identities.attach       PATCH  /v1/agents/{agent_id}/identities/attach/{identity_id}
agents.identities.detach       PATCH  /v1/agents/{agent_id}/identities/detach/{identity_id}
tools.create                   POST   /v1/tools
tools.retrieve                 GET    /v1/tools/{tool_id}
tools.update                   PATCH  /v1/tools/{tool_id}
tools.list                     GET    /v1/tools
tools.delete                   DELETE /v1/tools/{tool_id}
tools.search                   POST   /v1/tools/search
tools.upsert                   PUT    /v1/tools
blocks.create                  POST   /v1/blocks
blocks.retrieve                GET    /v1/blocks/{block_id}
blocks.update                  PATCH  /v1/blocks/{block_id}
blocks.list                    GET    /v1/blocks
blocks.delete                  DELETE /v1/blocks/{block_id}
blocks.agents.list             GET    /v1/blocks/{block_id}/agents
archives.create                POST   /v1/archives
archives.retrieve              GET    /v1/archives/{archive_id}
archives.update                PATCH  /v1/archives/{archive_id}
archives.list                  GET    /v1/archives
archives.delete                DELETE /v1/archives/{archive_id}
archives.passages.create       POST   /v1/archives/{archive_id}/passages
archives.passages.delete       DELETE /v1/archives/{archive_id}/passages/{passage_id}
archives.passages.create_many  POST   /v1/archives/{archive_id}/passages/batch
folders.create                 POST   /v1/folders
folders.retrieve               GET    /v1/folders/{folder_id}
folders.update                 PATCH  /v1/folders/{folder_id}
folders.list                   GET    /v1/folders
folders.delete                 DELETE /v1/folders/{folder_id}
folders.files.retrieve         GET    /v1/folders/{folder_id}/files/{file_id}
folders.files.list             GET    /v1/folders/{folder_id}/files
folders.files.delete           DELETE /v1/folders/{folder_id}/{file_id}
folders.files.upload           POST   /v1/folders/{folder_id}/upload
folders.agents.list            GET    /v1/folders/{folder_id}/agents
models.list                    GET    /v1/models
models.embeddings.list         GET    /v1/models/embedding
mcp_servers.create             POST   /v1/mcp-servers
mcp_servers.retrieve           GET    /v1/mcp-servers/{mcp_server_id}
mcp_servers.update             PATCH  /v1/mcp-servers/{mcp_server_id}
mcp_servers.list               GET    /v1/mcp-servers
mcp_servers.delete             DELETE /v1/mcp-servers/{mcp_server_id}
mcp_servers.refresh            PATCH  /v1/mcp-servers/{mcp_server_id}/refresh
mcp_servers.tools.retrieve     GET    /v1/mcp-servers/{mcp_server_id}/tools/{tool_id}
mcp_servers.tools.list         GET    /v1/mcp-servers/{mcp_server_id}/tools
mcp_servers.tools.run          POST   /v1/mcp-servers/{mcp_server_id}/tools/{tool_id}/run
runs.retrieve                  GET    /v1/runs/{run_id}
runs.list                      GET    /v1/runs
runs.messages.list             GET    /v1/runs/{run_id}/messages
runs.messages.stream           POST   /v1/runs/{run_id}/stream
runs.usage.retrieve            GET    /v1/runs/{run_id}/usage
runs.steps.list                GET    /v1/runs/{run_id}/steps
runs.trace.retrieve            GET    /v1/runs/{run_id}/trace
steps.retrieve                 GET    /v1/steps/{step_id}
steps.list                     GET    /v1/steps
steps.metrics.retrieve         GET    /v1/steps/{step_id}/metrics
steps.trace.retrieve           GET    /v1/steps/{step_id}/trace
steps.feedback.create          PATCH  /v1/steps/{step_id}/feedback
steps.messages.list            GET    /v1/steps/{step_id}/messages
templates.create               POST   /v1/templates
templates.update               PATCH  /v1/templates/{template_name}
templates.delete               DELETE /v1/templates/{template_name}
templates.rollback             POST   /v1/templates/{template_name}/rollback
templates.save                 POST   /v1/templates/{template_name}/save
templates.agents.create        POST   /v1/templates/{template_version}/agents
tags.list                      GET    /v1/tags
messages.retrieve              GET    /v1/messages/{message_id}
messages.list                  GET    /v1/messages
messages.search                POST   /v1/messages/search
passages.search                POST   /v1/passages/search
conversations.create           POST   /v1/conversations
conversations.retrieve         GET    /v1/conversations/{conversation_id}
conversations.update           PATCH  /v1/conversations/{conversation_id}
conversations.list             GET    /v1/conversations
conversations.delete           DELETE /v1/conversations/{conversation_id}
conversations.cancel           POST   /v1/conversations/{conversation_id}/cancel
conversations.fork             POST   /v1/conversations/{conversation_id}/fork
conversations.recompile        POST   /v1/conversations/{conversation_id}/recompile
conversations.messages.create  POST   /v1/conversations/{conversation_id}/messages
conversations.messages.list    GET    /v1/conversations/{conversation_id}/messages
conversations.messages.compact POST   /v1/conversations/{conversation_id}/compact
conversations.messages.stream  POST   /v1/conversations/{conversation_id}/stream
environments.retrieve          GET    /v1/environments/{deviceId}
environments.list              GET    /v1/environments
environments.send_message      POST   /v1/environments/{connectionId}/messages
access_tokens.create           POST   /v1/client-side-access-tokens
access_tokens.list             GET    /v1/client-side-access-tokens
access_tokens.delete           DELETE /v1/client-side-access-tokens/{token}
"""
OPERATIONS = tuple(Operation(*line.split()) for line in _TABLE.strip().splitlines())


def operations_by_path() -> dict[str, tuple[Operation, ...]]:
    """Return the operations of each path, paths with fixed words before those with a parameter in the same place."""
    paths: dict[str, tuple[Operation, ...]] = {}
    for operation in sorted(OPERATIONS, key=lambda o: [(part.startswith("{"), part) for part in o.path.split("/")]):
        paths[operation.path] = (*paths.get(operation.path, ()), operation)
    return paths
