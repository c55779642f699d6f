import { mount } from 'svelte';
import App from './App.svelte';
import { program } from './state/program.svelte.ts';
import { isLeftEmpty } from './state/stored_data.ts';
import './styles/tokens.css';
import './styles/base.css';

mount(App, { target: document.querySelector('#app')! });

// The development server's files change all the time: nothing keeps a copy of them.
if (import.meta.env.PROD && !isLeftEmpty) void program.keep(import.meta.url);
