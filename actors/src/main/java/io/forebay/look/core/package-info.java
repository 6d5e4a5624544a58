/** What the records of a log tell of one message. Knows no Akka, no clock and no file; records come in, events go out. */
package io.forebay.look.core;
