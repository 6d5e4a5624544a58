package io.forebay.store;

import io.forebay.config.ForebaySettings;

/**
 * Makes who takes over the records of one capability at a start. Found by {@link java.util.ServiceLoader}: whatever part of an
 * application opens the stripes first, the others find theirs recovered when they are started.
 */
public interface StripeRecoveryFactory {
    /** Called once, when the stripes are to be opened. */
    StripeRecovery create(ForebaySettings settings);
}
