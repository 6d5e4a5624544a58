package io.forebay.cli;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.IllegalHandle;
import io.forebay.protocol.ParsedHandle;
import io.forebay.protocol.ReceiptHandle;

/**
 * A receipt handle as the command line shows and takes it: {@code GROUP:HANDLE}. A handle is only good for its group, and a
 * name holds no colon, so the group travels along; a handle without one needs {@code --group}.
 */
record HandleText(String group, ReceiptHandle handle) {

    /** One handle in 64 begins like an option does. Such ones get a colon, behind no group, so that they are not taken for one. */
    static String asArgument(String argument) {
        return argument.startsWith("-") && ReceiptHandle.parse(argument) instanceof ReceiptHandle
                ? ":" + argument
                : argument;
    }

    static String of(Delivery delivery) {
        return delivery.group() + ":" + delivery.handle().text();
    }

    /**
     * @param groupOption what {@code --group} says, or null; it wins, and the node compares it with the handle
     * @throws CliException when it is no handle, or no group is known
     */
    static HandleText parse(String text, String groupOption) {
        int colon = text.indexOf(':');
        String group = groupOption != null ? groupOption : colon <= 0 ? null : text.substring(0, colon);
        ParsedHandle parsed = ReceiptHandle.parse(text.substring(colon + 1));
        if (parsed instanceof IllegalHandle illegal) {
            throw Refusals.toException("", illegal.toRefusal());
        }
        if (group == null) {
            throw CliException.usage(
                    "the handle '" + text + "' names no group; give --group, or GROUP:HANDLE as pop prints it");
        }
        Refusals.checkName("group", group);
        return new HandleText(group, (ReceiptHandle) parsed);
    }
}
