/*
 * Mints short-lived vendor credentials from an avatar-mint deployment, for Android and the JVM.
 *
 * Copy this file into your app. It needs kotlinx-coroutines and org.json, which Android has. It behaves as
 * clients/behaviours.json says. `make clients` runs that table on a JVM. Nobody has run it on a device.
 */
package avatarmint

import java.io.Closeable
import java.net.HttpURLConnection
import java.net.URL
import java.util.UUID
import kotlin.coroutines.cancellation.CancellationException
import kotlin.math.ceil
import kotlin.math.max
import kotlin.math.min
import kotlin.math.pow
import kotlin.random.Random
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.asExecutor
import kotlinx.coroutines.async
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeoutOrNull
import org.json.JSONException
import org.json.JSONObject

/**
 * [baseUrl]: the stack's output ApiUrl. [getJwt]: the signed-in user's current JWT; with `true`, a new one. It must not
 * call this client. [routes]: the vendors that you have added. [random]: 0 to 1, for the pauses between tries.
 */
class MintClient(
    baseUrl: String,
    getJwt: suspend (forceRefresh: Boolean) -> String,
    routes: Map<String, Route> = emptyMap(),
    transport: MintTransport = UrlTransport,
    clock: MintClock = DeviceClock,
    random: () -> Double = Random::nextDouble,
    dispatcher: CoroutineDispatcher = Dispatchers.Default,
) : Closeable {
    /** All state is used in here only, one step at a time. */
    @OptIn(ExperimentalCoroutinesApi::class)
    private val confined = dispatcher.limitedParallelism(1)
    private val scope = CoroutineScope(SupervisorJob() + confined)
    private val signIn = SignIn(scope, getJwt)
    private val calls = Calls(baseUrl.trimEnd('/'), transport, clock, random, signIn)
    private val routes = ROUTES + routes
    private val sources = mutableMapOf<Pair<String, Map<String, Any?>>, Source>()
    private var closed = false

    /** A credential that is good for a connection now. Cancelling ends this caller's wait; the mint goes on. Throws [MintError]. */
    suspend fun get(route: String, body: Map<String, Any?> = emptyMap(), forceRefresh: Boolean = false): Credential =
        withContext(confined) {
            if (closed) throw ended("closed")
            source(route, body).get(forceRefresh)
        }

    /** Mints in advance, if that takes no slot. It reports no failure, because [get] tries again. */
    fun prefetch(route: String, body: Map<String, Any?> = emptyMap()) {
        scope.launch { if (!closed) source(route, body).prefetch() }
    }

    /** Forgets a credential that the vendor rejected. */
    fun invalidate(credential: Credential) {
        scope.launch { sources.values.forEach { it.drop(credential.id) } }
    }

    /** Says that a connection is over: frees its slot or revokes its token, where the vendor allows it. Throws [MintError]. */
    suspend fun release(route: String, credential: Credential) {
        invalidate(credential)
        val way = routes[route]?.release ?: return
        scope.async { calls.release(way, credential, signIn.last) }.await()
    }

    /** Forgets everything: for the moment when another user signs in. Calls that wait get `cleared`. */
    fun clear() {
        scope.launch { end(ended("cleared")) }
    }

    /** As [clear], and refuses all later calls with `closed`. */
    override fun close() {
        scope.launch {
            closed = true
            end(ended("closed"))
        }
    }

    private fun end(error: MintError) {
        signIn.forget()
        val ending = sources.values.toList()
        sources.clear()
        ending.forEach { it.end(error) }
    }

    private fun source(route: String, body: Map<String, Any?>): Source = sources.getOrPut(route to body) {
        val (reuse, slot, way) = routes[route] ?: Route(reuse = false)
        val call = Call(route, body, unsafe = slot == Slot.UNKEYED)
        val keys = Keys(calls.clock)
        val mint: Mint = { unwanted -> if (slot == Slot.KEYED) calls.mintOnce(call, keys, unwanted) else calls.mint(call, unwanted) }
        val free: ((Minted) -> Unit)? = if (slot == null) null else { minted -> way?.let { free(it, minted) } }
        if (reuse) Reusable(scope, calls.clock, mint) else PerConnection(scope, mint, free)
    }

    private fun free(way: Release, minted: Minted) {
        scope.launch { runCatching { calls.release(way, minted.credential, minted.jwt, replaceable = false) } }
    }
}

/** The vendor's own fields, and what the deployment says about the credential. Its text shows the mint's id alone. */
class Credential internal constructor(val fields: JSONObject) {
    private val mint = fields.getJSONObject("mint")
    val id: String = mint.getString("id")

    /** Seconds from the start of the request, or null if the vendor does not say. */
    val expiresIn: Double? = mint.optDouble("expires_in").takeUnless { it.isNaN() }
    internal val once = mint.optBoolean("single_use") || mint.optBoolean("takes_slot")

    operator fun get(field: String): String = fields.getString(field)

    override fun toString() = "Credential($id)"
}

class FieldError(val field: String, val message: String)

/**
 * Why there is no credential. It holds no JWT, no credential and no text of the connection, so it may be logged.
 *
 * [status]: of HTTP, or 0 if no answer came. [code]: of docs/errors.md. If API Gateway refused: `http_401` and so on. From
 * the client itself: `network_error`, `timeout`, `malformed_answer`, `sign_in_failed`, `cleared` or `closed`. [retryAfter]:
 * seconds, if known. [fault]: who must act, if known: `caller`, `operator` or `vendor`. [errors]: the wrong fields.
 */
class MintError(
    val status: Int,
    val code: String,
    detail: String?,
    val retryable: Boolean,
    val retryAfter: Double? = null,
    val fault: String? = null,
    val errors: List<FieldError> = emptyList(),
    cause: Throwable? = null,
) : Exception(listOfNotNull(code, detail).joinToString(": "), cause)

/** [reuse]: whether one credential may serve several connections until shortly before it expires. */
data class Route(val reuse: Boolean, val slot: Slot? = null, val release: Release? = null)

/** A mint takes a paid slot, and accepts an Idempotency-Key or does not. */
enum class Slot { KEYED, UNKEYED }

/** What tells the deployment that a credential is no longer needed: `POST path` with this field of the credential. */
data class Release(val path: String, val field: String)

/** Convai and Spatius want a credential for each connection, although theirs are not declared as single use. */
val ROUTES: Map<String, Route> = mapOf(
    "agora/tokens" to Route(reuse = true),
    "convai/tokens" to Route(reuse = false, release = Release("convai/tokens/revoke", "apiAuthToken")),
    "livekit/tokens" to Route(reuse = true),
    "odyssey/client-credentials" to
        Route(reuse = false, Slot.KEYED, Release("odyssey/client-credentials/release", "session_id")),
    "spatialgen/keys" to Route(reuse = true),
    "spatius/session-tokens" to Route(reuse = false),
    "trulience/tokens" to Route(reuse = false),
)

/** Milliseconds. On Android, give `SystemClock.elapsedRealtime()` as [monotonic], because it does not stop in sleep. */
interface MintClock {
    fun wall(): Long
    fun monotonic(): Long
}

object DeviceClock : MintClock {
    override fun wall() = System.currentTimeMillis()
    override fun monotonic() = System.nanoTime() / 1_000_000
}

class MintRequest(val url: String, val headers: Map<String, String>, val body: String)

/** [retryAfter]: the header. */
class MintAnswer(val status: Int, val text: String, val retryAfter: String?)

/** Sends one POST. Throws any exception if no answer came. */
fun interface MintTransport {
    suspend fun send(request: MintRequest): MintAnswer
}

object UrlTransport : MintTransport {
    override suspend fun send(request: MintRequest): MintAnswer = suspendCancellableCoroutine { waiting ->
        val connection = URL(request.url).openConnection() as HttpURLConnection
        val threads = Dispatchers.IO.asExecutor()
        waiting.invokeOnCancellation { threads.execute(connection::disconnect) }
        threads.execute { waiting.resumeWith(runCatching { connection.exchange(request) }) }
    }

    private fun HttpURLConnection.exchange(request: MintRequest): MintAnswer {
        requestMethod = "POST"
        doOutput = true
        request.headers.forEach(::setRequestProperty)
        outputStream.use { it.write(request.body.toByteArray()) }
        val text = (if (responseCode < 400) inputStream else errorStream)?.use { it.readBytes().decodeToString() }
        return MintAnswer(responseCode, text.orEmpty(), getHeaderField("Retry-After"))
    }
}

private const val ATTEMPTS = 3
private const val SECONDS_PER_ATTEMPT = 30.0
private const val SECONDS_PER_CALL = 60.0
private const val SECONDS_PER_RELEASE = 5.0
private const val LONGEST_WAIT = 10.0
private const val TINY_LIFE = 10.0
private const val LAST_MOMENTS = 5.0
private const val KEY_LIFETIME = 600.0

private typealias Mint = suspend (unwanted: () -> Boolean) -> Minted

private fun ended(how: String) = MintError(0, how, "the client was $how", retryable = false)

private class Moment(private val clock: MintClock) {
    private val wall = clock.wall()
    private val monotonic = clock.monotonic()

    /** Seconds. The larger difference counts, so that neither sleep nor a clock that was put back prolongs a credential. */
    fun elapsed() = max(clock.wall() - wall, clock.monotonic() - monotonic) / 1000.0
}

/** The caller's JWT, and the one refresh that all requests share after it was refused. */
private class SignIn(private val scope: CoroutineScope, private val getJwt: suspend (Boolean) -> String) {
    private var refused: String? = null
    private var replacement: Deferred<String>? = null
    var last: String? = null
        private set

    suspend fun jwt(): String {
        val jwt = ask(false)
        return replacement?.takeIf { jwt == refused }?.await() ?: jwt
    }

    /** The JWT that replaces [jwt]; the same one if the app has no other. */
    suspend fun replaced(jwt: String): String {
        val running = replacement?.takeIf { refused == jwt } ?: scope.async { ask(true) }
        refused = jwt
        replacement = running
        val next = try {
            running.await()
        } catch (error: MintError) {
            if (replacement === running) replacement = null
            throw error
        }
        if (next == jwt && replacement === running) replacement = null
        return next
    }

    fun forget() {
        refused = null
        replacement = null
        last = null
    }

    private suspend fun ask(force: Boolean): String = try {
        getJwt(force).also { last = it }
    } catch (cancelled: CancellationException) {
        throw cancelled
    } catch (cause: Exception) {
        throw MintError(0, "sign_in_failed", "getJwt failed", retryable = true, cause = cause)
    }
}

/** [unsafe]: a lost answer may have taken a slot. [jwt]: goes with the call at once. [replaceable]: a new one may follow a 401. */
private data class Call(
    val path: String,
    val body: Map<String, Any?>,
    val unsafe: Boolean = false,
    val key: String? = null,
    val jwt: String? = null,
    val replaceable: Boolean = true,
)

private class Answer(val status: Int, val body: JSONObject, val since: Moment, val jwt: String)

private class Calls(
    private val baseUrl: String,
    private val transport: MintTransport,
    val clock: MintClock,
    private val random: () -> Double,
    private val signIn: SignIn,
) {
    suspend fun mint(call: Call, unwanted: () -> Boolean): Minted {
        val answer = patiently(call, unwanted)
        val credential = try {
            Credential(answer.body)
        } catch (_: JSONException) {
            throw MintError(answer.status, "malformed_answer", "the answer has no mint", retryable = false)
        }
        return Minted(credential, answer.jwt, answer.since)
    }

    /** A mint that takes a slot: all tries for one session carry one key. */
    suspend fun mintOnce(call: Call, keys: Keys, unwanted: () -> Boolean): Minted {
        val key = keys.take()
        try {
            return mint(call.copy(key = key.value), unwanted)
        } catch (error: MintError) {
            if (error.retryable) keys.giveBack(key)
            throw error
        }
    }

    /** One request, not repeated. A credential that is unknown or cannot be revoked is no error. */
    suspend fun release(way: Release, credential: Credential, jwt: String?, replaceable: Boolean = true) {
        val call = Call(way.path, mapOf(way.field to credential[way.field]), jwt = jwt, replaceable = replaceable)
        try {
            once(call, SECONDS_PER_RELEASE)
        } catch (error: MintError) {
            if (error.status != 404 && error.code != "not_revocable") throw error
        }
    }

    /** Tries up to three times. [unwanted]: whether nobody needs the answer any more. */
    private suspend fun patiently(call: Call, unwanted: () -> Boolean): Answer {
        val start = Moment(clock)
        for (tried in 1..Int.MAX_VALUE) {
            try {
                return once(call, min(SECONDS_PER_ATTEMPT, SECONDS_PER_CALL - start.elapsed()))
            } catch (error: MintError) {
                val wait = waitAfter(error, tried)
                if (wait == null || wait >= SECONDS_PER_CALL - start.elapsed()) throw error
                delay(milliseconds(wait))
                if (unwanted()) throw error
            }
        }
        error("unreachable")
    }

    /** Seconds until the next try, or null if the error is final. */
    private fun waitAfter(error: MintError, tried: Int): Double? = when {
        !error.retryable || error.code == "sign_in_failed" || tried >= ATTEMPTS -> null
        error.retryAfter != null -> error.retryAfter.takeIf { it <= LONGEST_WAIT }
        else -> min(8.0, 0.5 * 2.0.pow(tried - 1)) * (0.75 + 0.25 * random())
    }

    /** One try within [seconds], the sign-in included. */
    private suspend fun once(call: Call, seconds: Double): Answer =
        withTimeoutOrNull(milliseconds(seconds)) { signedIn(call) }
            ?: throw noAnswer(call, "timeout", "no answer within ${ceil(seconds).toInt()} s")

    /** Sends the request, and once more with a new JWT if the first one is refused. */
    private suspend fun signedIn(call: Call): Answer {
        val jwt = call.jwt ?: signIn.jwt()
        try {
            return exchange(call, jwt)
        } catch (error: MintError) {
            if (error.status != 401 || !call.replaceable) throw error
            val replacement = signIn.replaced(jwt)
            if (replacement == jwt) throw error
            return exchange(call, replacement)
        }
    }

    private suspend fun exchange(call: Call, jwt: String): Answer {
        val since = Moment(clock)
        val answer = send(call, jwt)
        val body = try {
            JSONObject(answer.text)
        } catch (_: JSONException) {
            JSONObject()
        }
        if (answer.status !in 200..299) throw refusal(call, answer, body)
        return Answer(answer.status, body, since, jwt)
    }

    /** The connection's own error is not passed on: its text may repeat the header, and with it the JWT. */
    private suspend fun send(call: Call, jwt: String): MintAnswer {
        val key = call.key?.let { mapOf("Idempotency-Key" to it) }.orEmpty()
        val headers = mapOf("Authorization" to "Bearer $jwt", "Content-Type" to "application/json") + key
        val request = MintRequest("$baseUrl/v1/${call.path}", headers, JSONObject(call.body).toString())
        try {
            return transport.send(request)
        } catch (cancelled: CancellationException) {
            throw cancelled
        } catch (_: Exception) {
            throw noAnswer(call, "network_error", "no answer")
        }
    }

    private fun noAnswer(call: Call, code: String, detail: String) = MintError(0, code, detail, retryable = !call.unsafe)

    private fun refusal(call: Call, answer: MintAnswer, body: JSONObject): MintError {
        val status = answer.status
        val byStatus = !call.unsafe && (status == 408 || status == 429 || status >= 500)
        val retryAfter = body.optDouble("retry_after").takeUnless { it.isNaN() } ?: answer.retryAfter?.toDoubleOrNull()
        val errors = body.optJSONArray("errors")?.let { list -> List(list.length()) { fieldError(list.getJSONObject(it)) } }
        return MintError(
            status,
            body.text("code") ?: "http_$status",
            body.text("detail"),
            body.optBoolean("retryable", byStatus),
            retryAfter,
            body.text("fault"),
            errors.orEmpty(),
        )
    }

    private fun fieldError(json: JSONObject) = FieldError(json.optString("field"), json.optString("message"))

    private fun JSONObject.text(name: String): String? = opt(name) as? String

    private fun milliseconds(seconds: Double) = (seconds * 1000).toLong()
}

/** A credential, the JWT that asked for it, and its life: from the start of its request, by the server's `expires_in`. */
private class Minted(val credential: Credential, val jwt: String, private val since: Moment) {
    private val seconds = credential.expiresIn ?: 0.0
    private val hard = min(60.0, seconds / 4)
    private val soft = hard + min(240.0, seconds / 4)
    val worthKeeping = seconds > TINY_LIFE

    /** Seconds until the next try to replace it, after one failed. */
    val patience = min(30.0, seconds / 10)
    val left get() = seconds - since.elapsed()

    /** Before the hard margin: good enough to hand out without a request. */
    val usable get() = left > hard

    /** Before the soft margin: too early for the next one. */
    val fresh get() = left > soft
}

private class Waiter(val forced: Boolean) {
    val result = CompletableDeferred<Credential>()
}

/** Callers that wait for one result. Each can leave at any time without ending the work. */
private class Waiters {
    private val waiting = mutableListOf<Waiter>()
    val none get() = waiting.isEmpty()

    fun add(forced: Boolean) = Waiter(forced).also(waiting::add)

    /** [left]: called if the caller stops waiting. */
    suspend fun wait(waiter: Waiter, left: () -> Unit = {}): Credential = try {
        waiter.result.await()
    } catch (cancelled: CancellationException) {
        if (waiting.remove(waiter)) left()
        throw cancelled
    }

    fun resolve(value: Credential) = taken().forEach { it.result.complete(value) }

    /** [instead]: what callers get that did not insist on a new result. */
    fun reject(error: MintError, instead: Credential? = null) = taken().forEach {
        if (instead == null || it.forced) it.result.completeExceptionally(error) else it.result.complete(instead)
    }

    private fun taken() = waiting.toList().also { waiting.clear() }
}

/** Where the credentials of one request come from. */
private interface Source {
    suspend fun get(forced: Boolean): Credential
    fun prefetch()
    /** Forgets the credential of this mint, unless a newer one has replaced it. */
    fun drop(mint: String)
    /** Refuses those who wait. What is on its way is discarded. */
    fun end(error: MintError)
}

/** One credential that many connections share, and the one request that renews it. */
private class Reusable(private val scope: CoroutineScope, private val clock: MintClock, private val mint: Mint) : Source {
    private class Flight(val forced: Boolean)

    private var held: Minted? = null
    private var flight: Flight? = null
    private var failed: Moment? = null
    private val waiters = Waiters()

    override suspend fun get(forced: Boolean): Credential {
        val usable = held?.takeIf { it.usable && !forced } ?: return next(forced)
        renew(usable)
        return usable.credential
    }

    override fun prefetch() {
        val usable = held?.takeIf { it.usable }
        if (usable != null) renew(usable) else if (flight == null) start(forced = false)
    }

    override fun drop(mint: String) {
        if (held?.credential?.id == mint) held = null
    }

    override fun end(error: MintError) {
        held = null
        flight = null
        waiters.reject(error)
    }

    private fun renew(old: Minted) {
        val coolingDown = failed?.let { it.elapsed() < old.patience } ?: false
        if (!old.fresh && flight == null && !coolingDown) start(forced = false)
    }

    private suspend fun next(forced: Boolean): Credential {
        val waiter = waiters.add(forced)
        val running = flight
        if (running == null || (forced && !running.forced)) start(forced)
        return waiters.wait(waiter)
    }

    /** A second flight replaces the first: its waiters wait on, and its result is discarded. */
    private fun start(forced: Boolean) {
        val own = Flight(forced).also { flight = it }
        scope.launch {
            try {
                val minted = mint { flight !== own }
                if (flight === own) arrived(minted)
            } catch (error: MintError) {
                if (flight === own) refused(error)
            }
        }
    }

    private fun arrived(minted: Minted) {
        flight = null
        held = minted.takeIf { it.worthKeeping && !it.credential.once }
        waiters.resolve(minted.credential)
    }

    private fun refused(error: MintError) {
        flight = null
        failed = Moment(clock)
        if (error.status == 401 || error.status == 403) held = null
        waiters.reject(error, held?.takeIf { error.retryable && it.left > LAST_MOMENTS }?.credential)
    }
}

/** Credentials that are handed out once. At most one is kept for a caller who has not come yet, unless it takes a slot. */
private class PerConnection(
    private val scope: CoroutineScope,
    private val mint: Mint,
    private val free: ((Minted) -> Unit)?,
) : Source {
    private class Flight {
        val waiters = Waiters()
        var landed: Minted? = null
    }

    private var unclaimed: Flight? = null
    private val flights = mutableSetOf<Flight>()

    override suspend fun get(forced: Boolean): Credential {
        val waiting = unclaimed.takeUnless { forced }
        unclaimed = null
        waiting?.landed?.takeIf { it.usable }?.let { return it.credential }
        val flight = waiting?.takeIf { it.landed == null } ?: start()
        return flight.waiters.wait(flight.waiters.add(forced)) { unclaimed = unclaimed ?: flight }
    }

    override fun prefetch() {
        val waiting = unclaimed
        if (free == null && (waiting == null || waiting.landed?.usable == false)) unclaimed = start()
    }

    override fun drop(mint: String) {
        if (unclaimed?.landed?.credential?.id == mint) unclaimed = null
    }

    override fun end(error: MintError) {
        unclaimed = null
        val ending = flights.toList()
        flights.clear()
        ending.forEach { it.waiters.reject(error) }
    }

    private fun start(): Flight {
        val flight = Flight().also(flights::add)
        scope.launch {
            try {
                landed(flight, mint { flight !in flights })
            } catch (error: MintError) {
                failed(flight, error)
            }
        }
        return flight
    }

    private fun landed(flight: Flight, minted: Minted) {
        flights.remove(flight)
        if (!flight.waiters.none) return flight.waiters.resolve(minted.credential)
        if (minted.worthKeeping && free == null) flight.landed = minted else forget(flight)
        free?.invoke(minted)
    }

    private fun failed(flight: Flight, error: MintError) {
        flights.remove(flight)
        forget(flight)
        flight.waiters.reject(error)
    }

    private fun forget(flight: Flight) {
        if (unclaimed === flight) unclaimed = null
    }
}

private class Key(clock: MintClock) {
    val value = UUID.randomUUID().toString()
    val since = Moment(clock)
}

/** The Idempotency-Keys of calls that may have taken a slot without an answer. The next call uses them again. */
private class Keys(private val clock: MintClock) {
    private val pending = ArrayDeque<Key>()

    fun take(): Key {
        pending.removeAll { it.since.elapsed() >= KEY_LIFETIME }
        return pending.removeFirstOrNull() ?: Key(clock)
    }

    fun giveBack(key: Key) = pending.addLast(key)
}
