// Login with the code flow and PKCE, entirely in the browser, on oidc-client-ts.
import { UserManager, WebStorageStateStore } from "oidc-client-ts";

const settings = await (await fetch("/settings.json")).json();
const manager = new UserManager({
  authority: settings.authority,
  client_id: settings.client_id,
  redirect_uri: `${location.origin}/callback`,
  post_logout_redirect_uri: `${location.origin}/`,
  scope: "openid profile email offline_access reports:read",
  resource: settings.api, // the audience of the access token (RFC 8707)
  // Tokens live as long as the tab: a script injected here could use them, but not keep them for long.
  userStore: new WebStorageStateStore({ store: sessionStorage }),
  // A frame of the provider tells when the session ends elsewhere; the question about it comes back to /callback.
  monitorSession: true,
  silent_redirect_uri: `${location.origin}/callback`,
  automaticSilentRenew: true, // by refresh token: no hidden frames, no third-party cookies
});

const element = (id) => document.getElementById(id);
const show = (value) => (element("output").textContent = JSON.stringify(value, null, 2));

function render(user) {
  element("status").textContent = user ? `Logged in as ${user.profile.sub}` : "Logged out";
  element("login").disabled = Boolean(user);
  for (const id of ["userinfo", "refresh", "whoami", "reports", "logout"]) element(id).disabled = !user;
}

/** Calls with the access token; an error of the API is shown like any answer. */
async function call(url) {
  const user = await manager.getUser();
  const response = await fetch(url, { headers: { authorization: `Bearer ${user.access_token}` } });
  return { status: response.status, body: await response.json() };
}

function on(id, action) {
  element(id).addEventListener("click", async () => {
    try {
      const value = await action();
      if (value !== undefined) show(value);
    } catch (error) {
      show({ error: String(error) });
    }
  });
}

on("login", () => manager.signinRedirect());
on("userinfo", async () => call(await manager.metadataService.getUserInfoEndpoint()));
on("refresh", async () => {
  const user = await manager.signinSilent();
  render(user);
  return { refreshed: true, expires_in: user.expires_in };
});
on("whoami", () => call(`${settings.api}/whoami`));
on("reports", () => call(`${settings.api}/reports`));
on("logout", () => manager.signoutRedirect());
manager.events.addUserSignedOut(async () => {
  await manager.removeUser();
  render(null);
  element("status").textContent = "Logged out elsewhere";
});

try {
  if (location.pathname === "/callback" && window.self !== window.top) {
    await manager.signinCallback(); // in a hidden frame: the answer goes to the window that asked
  } else if (location.pathname === "/callback") {
    const user = await manager.signinRedirectCallback();
    history.replaceState(null, "", "/"); // the code has served: keep it out of the history
    show(user.profile);
  }
} catch (error) {
  show({ error: String(error) });
}
render(await manager.getUser());
