package io.forebay.config;

/** What becomes of a persistence id that the log does not know, when a repair has lost the names of some. */
public enum LostNamesSetting {
    /** It may be one of those: what is asked of it fails. */
    REFUSE,
    /** It is a new one. */
    FORGET
}
