// A SCIM server of scimmy and scimmy-routers over two Maps, as their READMEs show.
//
// Deliberately absent: uniqueness. A Map has no unique constraint, and neither package adds one.
//
// usage: NODE_PATH=.../node_modules node scimmy_app.cjs PORT
// It is CommonJS because `import` ignores NODE_PATH, and because it must load scimmy once only: scimmy keeps the declared
// resources in the module, so the routers would see none of those that are declared on a second copy.

const {randomUUID} = require("node:crypto");
const {setTimeout: sleep} = require("node:timers/promises");
const express = require("express");
const {SCIMMYRouters, SCIMMY} = require("scimmy-routers");

const TOKEN = "secret";

// What a database across a network takes for one statement. It is asynchronous, so requests interleave between a read and the
// write that follows it; over a bare Map each request would run alone, which no real application does.
// Of 20 members added at once, 20 stay with no such time, 2 to 4 with 1 ms, 1 to 3 with 5 ms.
const STORE_MS = 5;

/** Gives the three handlers that scimmy asks for, over a store of their own. */
function handlersOver(store) {
    const find = (id) => {
        if (!store.has(id)) throw new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);
        return store.get(id);
    };
    return {
        async ingress(resource, instance) {
            await sleep(STORE_MS);
            const now = new Date().toISOString();
            const id = resource.id ?? randomUUID();
            const created = resource.id ? find(id).meta.created : now;
            const stored = {...JSON.parse(JSON.stringify(instance)), id, meta: {created, lastModified: now}};
            store.set(id, stored);
            return stored;
        },
        async egress(resource) {
            await sleep(STORE_MS);
            if (resource.id) return find(resource.id);
            const all = [...store.values()];
            return resource.filter ? resource.filter.match(all) : all;
        },
        async degress(resource) {
            await sleep(STORE_MS);
            find(resource.id);
            store.delete(resource.id);
        },
    };
}

SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false);

for (const Resource of [SCIMMY.Resources.User, SCIMMY.Resources.Group]) {
    const {ingress, egress, degress} = handlersOver(new Map());
    SCIMMY.Resources.declare(Resource).ingress(ingress).egress(egress).degress(degress);
}

const app = express();
app.use("/scim", new SCIMMYRouters({
    type: "bearer",
    handler: (request) => {
        if (request.header("Authorization") !== `Bearer ${TOKEN}`) throw new Error("Authorization not detected!");
        return "provisioning";
    },
}));
app.listen(Number(process.argv[2]), "127.0.0.1");
