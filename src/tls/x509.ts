import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

/** `@peculiar/x509`, loaded after what it needs. Everything that issues certificates imports it from here. */
export { x509 };
