"""What the page does in the browser by itself."""

SHOW_ADDRESS = "(id) => { const u = new URL(location); id ? u.searchParams.set('c', id) : u.searchParams.delete('c'); history.replaceState(null, '', u); }"
"""Keeps the open conversation in the address, so that reloading finds it."""

OPEN_SIDEBAR = "() => { if (innerWidth >= 1240) document.querySelector('#side:not(.open) .toggle-button')?.click(); }"

CONFIRM_DELETE = "(id) => confirm('Delete this conversation with its pictures?') ? id : ''"

CHOOSE_MEDIUM = """document.addEventListener('click', event => {
    const button = event.target.closest('#chat button.again');
    if (button) trigger('select', {index: Number(button.name), value: button.value});
});"""
"""Tells an HTML component which medium is to be made again: the number of the medium, and the message in which it stands."""
