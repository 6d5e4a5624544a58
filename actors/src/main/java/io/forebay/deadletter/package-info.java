/**
 * What an operator asks about messages that have failed too often, and does about them: keys that are parked, and dead letters. One
 * desk per node takes the commands of all sessions. Owns no state: groups and queues do what is asked of them.
 */
package io.forebay.deadletter;
