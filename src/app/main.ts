import { mount } from 'svelte';
import App from './App.svelte';
import { program } from '../session/program.svelte.ts';
import { isLeftEmpty } from '../session/stored_data.ts';
import '../ui/tokens.css';
import '../ui/base.css';

mount(App, { target: document.querySelector('#app')! });

// The development server's files change all the time: nothing keeps a copy of them.
if (import.meta.env.PROD && !isLeftEmpty) void program.keep(import.meta.url);
