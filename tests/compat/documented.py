"""The messaging API's documented requests and answers, as its readers copy them."""

from typing import Any

CHANNEL = "a1b2c3d4-e5f6-7890-1234-567890abcdef"
SERVER = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
DEFAULT_SERVER = "00000000-0000-0000-0000-000000000000"
QUESTION = "f1e2d3c4-b5a6-9876-5432-109876543210"
ANSWER = "e2d3c4b5-a6f1-0987-6543-210987654321"

CREATE_CHANNEL = {
    "name": "general-discussion",
    "serverId": SERVER,
    "description": "General discussion channel",
    "type": "text",
}
CHANNEL_CREATED = {
    "channel": {
        "id": CHANNEL,
        "name": "general-discussion",
        "serverId": SERVER,
        "type": "text",
        "description": "General discussion channel",
        "metadata": {},
    }
}
CREATE_CHANNEL_WITH_CURL = {
    "name": "new-channel",
    "serverId": SERVER,
    "description": "A new channel created via API",
    "type": "text",
}
CREATE_CHANNEL_WITH_POSTMAN = {
    "name": "postman-channel",
    "serverId": SERVER,
    "description": "Created via Postman",
    "type": "text",
}


def _message(content: str) -> dict[str, Any]:
    return {
        "channel_id": CHANNEL,
        "server_id": DEFAULT_SERVER,
        "author_id": "user-123",
        "content": content,
        "source_type": "user_message",
        "raw_message": {},
        "metadata": {},
    }


SEND = _message("Hello, how are you today?")
SEND_WITH_CURL = _message("Hello from curl!")
SEND_WITH_POSTMAN = _message("Hello from Postman!")
SENT = {
    "id": QUESTION,
    "text": "Hello, how are you today?",
    "userId": "user-123",
    "agentId": None,
    "roomId": CHANNEL,
    "createdAt": 1700000000,
    "metadata": {},
}
REPLY = {
    "channel_id": CHANNEL,
    "server_id": DEFAULT_SERVER,
    "author_id": "agent-456",
    "content": "I'm doing well, thank you for asking!",
    "source_type": "agent_response",
    "raw_message": {},
    "metadata": {"agent_name": "Assistant"},
}
REPLIED = {
    "id": ANSWER,
    "text": "I'm doing well, thank you for asking!",
    "userId": None,
    "agentId": "agent-456",
    "roomId": CHANNEL,
    "createdAt": 1700000060,
    "metadata": {"agent_name": "Assistant"},
}
HISTORY = {"messages": [SENT, REPLIED], "pagination": {"limit": 10, "offset": 0, "total": 2}}

ADD_PARTICIPANT = {"userId": "user-789", "role": "member"}
PARTICIPANT_ADDED = {
    "participant": {"userId": "user-789", "channelId": CHANNEL, "role": "member", "joinedAt": 1700000120}
}

REPLY_IN_THREAD = {
    "channel_id": CHANNEL,
    "author_id": "user-123",
    "content": "I have a question about the project timeline",
    "in_reply_to_message_id": QUESTION,
}
RICH_MESSAGE = {
    "channel_id": CHANNEL,
    "author_id": "user-123",
    "content": "Check out this report and image",
    "attachments": [
        {
            "url": "https://example.com/report.pdf",
            "contentType": "application/pdf",
            "name": "quarterly-report.pdf",
            "size": 1572864,
        },
        {
            "url": "https://example.com/chart.png",
            "contentType": "image/png",
            "name": "sales-chart.png",
            "size": 204800,
        },
    ],
    "metadata": {
        "rich_type": "report_with_chart",
        "summary": "Q3 sales performance report with trend analysis",
    },
}

BAD_REQUEST = {
    "success": False,
    "error": {
        "code": "VALIDATION_ERROR",
        "message": "Invalid request body",
        "details": "Required field 'content' is missing",
    },
}
UNAUTHORIZED = {
    "success": False,
    "error": {
        "code": "AUTHENTICATION_FAILED",
        "message": "Invalid or missing authorization token",
        "details": "Bearer token not provided or invalid",
    },
}
FORBIDDEN = {
    "success": False,
    "error": {
        "code": "PERMISSION_DENIED",
        "message": "Insufficient permissions",
        "details": "User does not have permission to perform this action",
    },
}
NOT_FOUND = {
    "success": False,
    "error": {
        "code": "RESOURCE_NOT_FOUND",
        "message": "Channel not found",
        "details": "Channel with ID 'invalid-channel' does not exist",
    },
}
SERVER_ERROR = {
    "success": False,
    "error": {
        "code": "INTERNAL_ERROR",
        "message": "Error processing message",
        "details": "Unexpected error occurred while processing the message",
    },
}
