"""`stop` and `resume`: whether a vendor is asked for anything new."""

from minting.gate import SECONDS_KNOWN, VENDOR
from tools.operate.stack import Stack


def stop(stack: Stack, vendor: str) -> None:
    """Refuses every mint of a vendor. Raises StackError if it is not deployed."""
    _write(stack, vendor, "SET stopped = :yes", {":yes": True})
    print(f"Stopped {vendor} of {stack.name}. Within {SECONDS_KNOWN} s every mint is refused (vendor_stopped).")


def resume(stack: Stack, vendor: str) -> None:
    """Ends the stop. Raises StackError if the vendor is not deployed."""
    was = _write(stack, vendor, "REMOVE stopped", {})
    if "stopped" not in was:
        print(f"{vendor} of {stack.name} was not stopped.")
        return
    print(f"Resumed {vendor} of {stack.name}. Within {SECONDS_KNOWN} s it mints again.")


def _write(stack: Stack, vendor: str, update: str, values: dict[str, bool]) -> dict[str, object]:
    """Changes the vendor's item. Returns the item as it was."""
    stack.require(vendor)
    given = {"ExpressionAttributeValues": values} if values else {}
    answer = stack.table.update_item(
        Key={"id": f"{vendor}#{VENDOR}"}, UpdateExpression=update, ReturnValues="ALL_OLD", **given
    )
    was: dict[str, object] = answer.get("Attributes", {})
    return was
