/* Runs clients/behaviours.json with the Kotlin client, on a clock that moves only when told. Argument: the table's path. */
import avatarmint.Credential
import avatarmint.MintAnswer
import avatarmint.MintClient
import avatarmint.MintClock
import avatarmint.MintError
import avatarmint.MintRequest
import avatarmint.MintTransport
import avatarmint.ROUTES
import avatarmint.Release
import avatarmint.Route
import avatarmint.Slot
import java.io.File
import java.io.IOException
import kotlin.coroutines.CoroutineContext
import kotlin.system.exitProcess
import kotlinx.coroutines.CancellableContinuation
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Delay
import kotlinx.coroutines.DisposableHandle
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.InternalCoroutinesApi
import kotlinx.coroutines.Job
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import org.json.JSONArray
import org.json.JSONObject

private val UUID4 = Regex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

private fun JSONArray.objects() = List(length()) { getJSONObject(it) }

private fun JSONObject.members() = keys().asSequence().toList()

private fun seconds(value: Double) = (value * 1000).toLong()

private class Timer(val at: Long, val run: () -> Unit)

/** Runs coroutines when told, and is their clock. */
@OptIn(ExperimentalCoroutinesApi::class, InternalCoroutinesApi::class)
private class VirtualTime(var wall: Long) : CoroutineDispatcher(), Delay, MintClock {
    private val ready = ArrayDeque<Runnable>()
    private val timers = mutableListOf<Timer>()
    private var now = 0L

    override fun wall() = wall
    override fun monotonic() = now

    override fun dispatch(context: CoroutineContext, block: Runnable) = ready.addLast(block)

    override fun scheduleResumeAfterDelay(timeMillis: Long, continuation: CancellableContinuation<Unit>) {
        val timer = after(timeMillis) { with(continuation) { resumeUndispatched(Unit) } }
        continuation.invokeOnCancellation { timers.remove(timer) }
    }

    override fun invokeOnTimeout(timeMillis: Long, block: Runnable, context: CoroutineContext): DisposableHandle {
        val timer = after(timeMillis, block::run)
        return DisposableHandle { timers.remove(timer) }
    }

    fun settle() {
        while (ready.isNotEmpty()) ready.removeFirst().run()
    }

    fun advance(milliseconds: Long) {
        val end = now + milliseconds
        while (true) {
            val next = timers.minByOrNull { it.at }?.takeIf { it.at <= end } ?: break
            timers.remove(next)
            move(next.at)
            next.run()
            settle()
        }
        move(end)
    }

    private fun after(milliseconds: Long, run: () -> Unit) = Timer(now + milliseconds, run).also(timers::add)

    private fun move(to: Long) {
        wall += to - now
        now = to
    }
}

private class Deployment(private val answers: ArrayDeque<JSONObject>) : MintTransport {
    val sent = mutableListOf<Map<String, Any?>>()
    private val keys = mutableListOf<String>()

    override suspend fun send(request: MintRequest): MintAnswer {
        val key = request.headers["Idempotency-Key"]
        if (key != null && key !in keys) keys += key.also { check(UUID4.matches(it)) { "$it is no UUID of version 4" } }
        sent += mapOf(
            "method" to "POST",
            "path" to request.url.removePrefix("https://mint.test"),
            "jwt" to request.headers.getValue("Authorization").removePrefix("Bearer "),
            "key" to key?.let { "k${keys.indexOf(it) + 1}" },
            "body" to JSONObject(request.body),
        )
        val answer = answers.removeFirstOrNull() ?: throw IOException("the script has no answer for this request")
        if (answer.optBoolean("never")) awaitCancellation()
        if (answer.has("after")) delay(seconds(answer.getDouble("after")))
        if (answer.has("lost")) throw IOException(answer.getString("lost"))
        if (answer.has("mint")) return MintAnswer(201, minted(answer).toString(), null)
        val text = answer.optJSONObject("problem")?.toString() ?: answer.optString("text")
        return MintAnswer(answer.getInt("status"), text, answer.optJSONObject("headers")?.getString("Retry-After"))
    }

    private fun minted(answer: JSONObject): JSONObject {
        val id = answer.getString("mint")
        val life = if (answer.has("expires_in")) answer.get("expires_in") else 3600
        val mint = JSONObject(mapOf("id" to id, "vendor" to "v", "expires_at" to "2026-11-21T23:00:00Z"))
            .put("expires_in", life)
            .put("single_use", answer.optBoolean("single_use"))
            .put("takes_slot", answer.optBoolean("takes_slot"))
        return JSONObject().put("apiAuthToken", "secret-$id").put("session_id", "secret-$id").put("mint", mint)
    }
}

private class Scenario(private val behaviour: JSONObject) {
    private val time = VirtualTime(seconds(behaviour.optDouble("wall", 4102444800.0)))
    private val deployment = Deployment(ArrayDeque(behaviour.getJSONArray("answers").objects()))
    private val app = CoroutineScope(SupervisorJob() + time)
    private val results = mutableMapOf<String, Any?>()
    private val credentials = mutableMapOf<String, Credential>()
    private val gets = mutableMapOf<String, Job>()
    private var jwts = behaviour.optJSONArray("jwts")?.let { list -> List(list.length(), list::getString) }
        ?: listOf<String?>("secret-jwt-1", "secret-jwt-2")
    private var asked = 0
    private var refreshes = 0
    private val client = MintClient(
        "https://mint.test/",
        ::jwt,
        behaviour.optJSONObject("routes")?.let(::routes).orEmpty(),
        deployment,
        time,
        { behaviour.optDouble("random", 1.0) },
        time,
    )

    fun follow() = behaviour.getJSONArray("steps").objects().forEachIndexed { place, step ->
        val at = "step $place"
        when {
            step.has("get") -> get(step)
            step.has("advance") -> time.advance(seconds(step.getDouble("advance")))
            step.has("shiftWall") -> time.wall += seconds(step.getDouble("shiftWall"))
            step.has("cancel") -> gets.getValue(step.getString("cancel")).cancel()
            step.has("prefetch") -> client.prefetch(step.getString("prefetch"))
            step.has("invalidate") -> client.invalidate(credentials.getValue(step.getString("invalidate")))
            step.has("release") -> watch(step) { client.release(step.getString("release"), credentials.getValue(step.getString("credential"))) }
            step.has("clear") -> client.clear()
            step.has("close") -> client.close()
            step.has("signIn") -> jwts = listOf(step.get("signIn") as? String)
            else -> expect(step.getJSONObject("expect"), at)
        }
        time.settle()
    }

    private fun get(step: JSONObject) {
        val name = step.getString("as")
        gets[name] = watch(step) {
            val got = client.get(step.getString("get"), step.optJSONObject("body")?.let(::map).orEmpty(), step.optBoolean("force"))
            credentials[name] = got
            results[name] = got.id
        }
    }

    private fun watch(step: JSONObject, act: suspend () -> Unit): Job {
        val name = step.getString("as")
        results[name] = null
        val job = app.launch {
            try {
                act()
                if (results[name] == null) results[name] = "done"
            } catch (error: MintError) {
                results[name] = shown(error)
            }
        }
        job.invokeOnCompletion { if (job.isCancelled) results[name] = "cancelled" }
        return job
    }

    private suspend fun jwt(force: Boolean): String {
        asked++
        if (force) {
            refreshes++
            delay(seconds(behaviour.optDouble("refreshTakes", 0.0)))
            jwts = jwts.drop(1).ifEmpty { jwts }
        }
        return jwts.first() ?: throw IOException("nobody has signed in")
    }

    private fun expect(wanted: JSONObject, at: String) {
        wanted.optJSONObject("results")?.let { all -> all.members().forEach { same(all.get(it), results[it], "$at: $it") } }
        if (wanted.has("sent")) same(wanted.getInt("sent"), deployment.sent.size, "$at: requests sent")
        wanted.optJSONObject("last")?.let { same(it, deployment.sent.last(), "$at: the last request") }
        if (wanted.has("jwts")) same(wanted.getInt("jwts"), asked, "$at: jwts")
        if (wanted.has("refreshes")) same(wanted.getInt("refreshes"), refreshes, "$at: refreshes")
    }

    /** Compares those members that `wanted` names. */
    private fun same(wanted: Any?, got: Any?, at: String) {
        if (wanted is JSONObject && got is Map<*, *>) return wanted.members().forEach { same(wanted.get(it), got[it], "$at: $it") }
        check(plain(wanted) == plain(got)) { "$at: expected $wanted, got $got" }
    }

    private fun plain(value: Any?): Any? = when (value) {
        null, JSONObject.NULL -> null
        is Number -> value.toDouble()
        is JSONObject -> map(value).mapValues { plain(it.value) }
        is Map<*, *> -> value.mapValues { plain(it.value) }
        else -> value
    }
}

/** A failure's facts, after a look for secrets in every text that it could leave in a log. */
private fun shown(error: MintError): Map<String, Any?> {
    check("secret" !in error.stackTraceToString()) { "the error shows a secret" }
    return with(error) { mapOf("status" to status, "code" to code, "retryable" to retryable, "retryAfter" to retryAfter, "fault" to fault) }
}

private fun map(json: JSONObject): Map<String, Any?> = json.members().associateWith { (json.get(it) as? JSONObject)?.let(::map) ?: json.get(it) }

private fun routes(json: JSONObject) = json.members().associateWith { name ->
    val of = json.getJSONObject(name)
    val slot = of.optString("slot").takeIf(String::isNotEmpty)?.let { Slot.valueOf(it.uppercase()) }
    Route(of.getBoolean("reuse"), slot, of.optJSONObject("release")?.let { Release(it.getString("path"), it.getString("field")) })
}

fun main(arguments: Array<String>) {
    val table = JSONObject(File(arguments.single()).readText())
    check(ROUTES == routes(table.getJSONObject("routes"))) { "the client does not know the routes of the table" }
    val behaviours = table.getJSONArray("behaviours").objects()
    val failures = behaviours.mapNotNull { behaviour ->
        runCatching { Scenario(behaviour).follow() }.exceptionOrNull()?.let { "${behaviour.getInt("row")}: ${behaviour.getString("fact")}: $it" }
    }
    failures.forEach(::println)
    println("${behaviours.size - failures.size} of ${behaviours.size} behaviours")
    exitProcess(if (failures.isEmpty()) 0 else 1)
}
