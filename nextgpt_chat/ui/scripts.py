"""What the page does in the browser by itself."""

SHOW_ADDRESS = "(id) => { const u = new URL(location); id ? u.searchParams.set('c', id) : u.searchParams.delete('c'); history.replaceState(null, '', u); }"
"""Keeps the open conversation in the address, so that reloading finds it."""

OPEN_SIDEBAR = "() => { if (innerWidth >= 1240) document.querySelector('#side:not(.open) .toggle-button')?.click(); }"

CHOOSE = """document.addEventListener('click', event => {
    const button = event.target.closest('#chat button.act');
    if (button) trigger('select', {index: button.name, value: button.value});
});"""
"""Tells an HTML component which button in a message was pressed: what it asks for, and the message."""

LIGHTBOX = """const box = document.createElement('dialog');
box.id = 'lightbox';
box.innerHTML = '<button type="button" aria-label="×">×</button><img>';
document.body.append(box);
box.onclick = () => box.close();
document.addEventListener('click', event => {
    const small = event.target.closest('#chat .image-container')?.querySelector('img');
    if (!small) return;
    const large = box.querySelector('img');
    [large.src, large.alt] = [small.src, small.alt];
    box.setAttribute('aria-label', small.alt);
    box.showModal();
});"""
"""Shows a picture of the chat as large as the screen when it is pressed; the browser's own dialog takes Escape and gives the focus back."""

DESCRIBE = """new MutationObserver(() => {
    const texts = [...document.querySelectorAll('#chat .shows')].map(text => text.textContent);
    document.querySelectorAll('#chat .image-container img, #chat video, #chat audio').forEach((medium, i) => {
        if (medium.localName === 'img') medium.alt = texts[i] ?? '';
        else medium.setAttribute('aria-label', texts[i] ?? '');
    });
}).observe(document.body, {childList: true, subtree: true});"""
"""Gives every medium its alternative text: what is said of the media of the chat stands in their order."""
