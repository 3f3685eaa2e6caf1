/* Stands in for Android's class. */
package android.os

object SystemClock {
    fun elapsedRealtime() = System.nanoTime() / 1_000_000
}
