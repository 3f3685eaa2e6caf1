"""What the vendor's replies mean. It documents no errors, so the meaning of a status is an assumption."""

from minting.problems import Problem
from minting.replies import Reply, interpret_status, resource_refused


def interpret_start_reply(reply: Reply) -> Problem | None:
    """Interprets the reply to a start. 400 and 422 are about the fields that the caller sent."""
    if reply.status in {400, 422}:
        detail = "The vendor rejected the request although it meets every documented rule."
        return Problem("invalid_request", detail, vendor_status=reply.status)
    return interpret_status(reply)


def interpret_resource_reply(reply: Reply) -> Problem | None:
    """Interprets the reply to a request that names a resource, such as an upload.

    403 refuses the resource, 404 does not know it, and after 409 or 410 it has ended.
    """
    if reply.status == 403:
        return resource_refused(reply.status)
    if reply.status in {404, 409, 410}:
        detail = "The vendor does not know it, or it has ended: it is complete, cancelled or expired."
        return Problem("not_found", detail, vendor_status=reply.status)
    return interpret_start_reply(reply)


def interpret_video_reply(reply: Reply) -> Problem | None:
    """Interprets the reply for one video. 404: it does not exist. 403: the key may not read it."""
    match reply.status:
        case 404:
            return video_not_found()
        case 403:
            return resource_refused(reply.status)
    return interpret_status(reply)


def video_not_found() -> Problem:
    """The same words for a video that does not exist and for one in another folder."""
    return Problem("not_found", "The video does not exist, or this deployment does not offer its folder.")
