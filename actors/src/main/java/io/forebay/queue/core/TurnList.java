package io.forebay.queue.core;

/**
 * A list of elements that know their place in it, so that one leaves from the middle at no cost; for those that are served in
 * turn. Confined to its owner.
 */
final class TurnList<T> {
    /** An element's place in one list. */
    static final class Place<T> {
        private final T element;
        private Place<T> previous;
        private Place<T> next;
        private boolean isTaken;

        Place(T element) {
            this.element = element;
        }

        boolean isTaken() {
            return isTaken;
        }
    }

    private Place<T> first;
    private Place<T> last;
    private int size;

    int size() {
        return size;
    }

    boolean isEmpty() {
        return first == null;
    }

    /** @return null if there is none */
    T first() {
        return first == null ? null : first.element;
    }

    void addFirst(Place<T> place) {
        take(place);
        place.next = first;
        if (first == null) {
            last = place;
        } else {
            first.previous = place;
        }
        first = place;
    }

    void addLast(Place<T> place) {
        take(place);
        place.previous = last;
        if (last == null) {
            first = place;
        } else {
            last.next = place;
        }
        last = place;
    }

    private void take(Place<T> place) {
        if (place.isTaken) {
            throw new AssertionError("has its place already: " + place.element);
        }
        place.isTaken = true;
        size++;
    }

    /** Does nothing if it is not there. */
    void remove(Place<T> place) {
        if (!place.isTaken) {
            return;
        }
        if (place.previous == null) {
            first = place.next;
        } else {
            place.previous.next = place.next;
        }
        if (place.next == null) {
            last = place.previous;
        } else {
            place.next.previous = place.previous;
        }
        place.previous = null;
        place.next = null;
        place.isTaken = false;
        size--;
    }
}
