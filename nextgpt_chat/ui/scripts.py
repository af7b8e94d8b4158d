"""What the page does in the browser by itself."""

SHOW_ADDRESS = "(id) => { const u = new URL(location); id ? u.searchParams.set('c', id) : u.searchParams.delete('c'); history.replaceState(null, '', u); }"
"""Keeps the open conversation in the address, so that reloading finds it."""

OPEN_SIDEBAR = "() => { if (innerWidth >= 1240) document.querySelector('#side:not(.open) .toggle-button')?.click(); }"

CHOOSE = """document.addEventListener('click', event => {
    const button = event.target.closest('#chat button.act');
    if (button) trigger('select', {index: button.name, value: button.value});
});"""
"""Tells an HTML component which button in a message was pressed: what it asks for, and the message."""
