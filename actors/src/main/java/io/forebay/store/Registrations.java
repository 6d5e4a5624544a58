package io.forebay.store;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * Which actor answers for which owner, and what each holds of the budget. Confined to the StoreWriter.
 *
 * @param <K> an owner of records
 * @param <O> an origin
 */
final class Registrations<K, O> {
    private final Map<K, O> origins = new HashMap<>();
    private final Map<O, Set<K>> owners = new HashMap<>();
    private final Map<O, Set<StripeBudget.Account>> accounts = new HashMap<>();

    /** @return whether the origin is a new one, to be watched from now on */
    boolean register(K owner, O origin, StripeBudget.Account account) {
        O before = origins.put(owner, origin);
        if (before != null && !before.equals(origin)) {
            Set<K> owned = owners.get(before);
            if (owned != null) {
                owned.remove(owner);
            }
        }
        if (account != null) {
            accounts.computeIfAbsent(origin, key -> new HashSet<>()).add(account);
        }
        boolean isNew = !owners.containsKey(origin);
        owners.computeIfAbsent(origin, key -> new HashSet<>()).add(owner);
        return isNew;
    }

    void forget(K owner) {
        O origin = origins.remove(owner);
        if (origin != null) {
            owners.get(origin).remove(owner);
        }
    }

    /** @return what was the origin's and is nobody's now */
    Set<K> gone(O origin) {
        Set<StripeBudget.Account> held = accounts.remove(origin);
        if (held != null) {
            held.forEach(StripeBudget.Account::close);
        }
        Set<K> owned = owners.remove(origin);
        if (owned == null) {
            return Set.of();
        }
        owned.forEach(owner -> origins.remove(owner, origin));
        return owned;
    }

    /** Null if nobody answers for it. */
    O origin(K owner) {
        return origins.get(owner);
    }

    Set<O> origins() {
        return owners.keySet();
    }
}
