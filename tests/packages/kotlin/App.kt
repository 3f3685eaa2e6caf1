/* Runs the code of docs/clients/android.md against a bundle. Arguments: its URL and the user's JWT. Prints what the app gets. */
import avatarmint.MintError
import kotlinx.coroutines.runBlocking

fun main(arguments: Array<String>) = runBlocking {
    val (api, jwt) = arguments
    val mints = mintClient(api) { jwt }
    try {
        talk(mints) { token -> println(if (token.isNotEmpty()) "a token" else "none") }
        println(trulience(mints, "4386676996480451678")["avatar_id"])
        val session = mints.get("odyssey/client-credentials")
        mints.release("odyssey/client-credentials", session)
        println("a slot, released")
        trulience(mints, "of-nobody")
    } catch (error: MintError) {
        println(explain(error))
    }
    mints.close()
}
