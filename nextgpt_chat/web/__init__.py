"""Routes and middleware beside Gradio."""
