package main

import (
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// The shadow service stores a null where there is nothing to delete, such as in a
// document that was deleted while an update was on its way
// (aws-greengrass/aws-greengrass-shadow-manager
// src/main/java/com/aws/greengrass/shadowmanager/util/JsonMerger.java).
const nullWords = " A null is as good as nothing."

// shadowSchema is the schema of a shadow document as a get returns it.
func shadowSchema() schema {
	return schema{
		"$schema": dialect, "$id": home + "shadow.schema.json", "title": "Shadow document of ShadowGPIO",
		"type":        "object",
		"description": "What a get of a shadow returns that ShadowGPIO keeps in step with GPIO lines.",
		"properties": schema{
			"state": object("The sections.", []any{}, schema{
				"desired":  desiredSchema("What is asked for, by property. Values that a property does not take are answered with 400, keys that are no property with 404."),
				"reported": schema{"$ref": "#/$defs/reported"},
				"delta":    desiredSchema("What is desired and differs from what is reported."),
			}),
			"metadata":    schema{"type": "object", "description": "When each value was written, in seconds since 1970."},
			"version":     schema{"type": "integer", "minimum": 1, "description": "Grows by one with each update; begins at 1 after a deletion."},
			"timestamp":   schema{"type": "integer", "description": "When it was read, in seconds since 1970."},
			"clientToken": schema{"type": "string", "description": "That of the request."},
		},
		"required":             []any{"state"},
		"additionalProperties": false,
		"$defs": schema{
			"reported": reportedSchema(),
			"value": schema{"description": kindsInWords() + nullWords, "anyOf": []any{
				schema{"$ref": "#/$defs/scalar"}, schema{"$ref": "#/$defs/members"}, schema{"$ref": "#/$defs/schedule"},
			}},
			"scalar":   schema{"type": []any{"boolean", "number", "string", "null"}, "description": "A value without members."},
			"members":  membersSchema(),
			"schedule": scheduleSchema(),
			"run":      runSchema(),
			"answer":   answerSchema(),
			"status":   statusSchema(),
			"sync":     syncSchema(),
		},
	}
}

func desiredSchema(doc string) schema {
	return schema{"type": "object", "description": doc, "properties": schema{shadow.SyncKey: schema{"$ref": "#/$defs/sync"}}}
}

func syncSchema() schema {
	return objectOrNull("For the synchronization of the shadow manager with the cloud; of no meaning to applications.", []any{}, schema{
		"kept": schema{"const": true, "description": "The desired section has this member, so that it is never empty."},
		"sent": schema{"type": []any{"integer", "null"}, "minimum": 1, "description": "Number of the last update that repeated what the synchronization may have dropped."},
	})
}

func reportedSchema() schema {
	names := propertyNames()
	return schema{
		"type":        "object",
		"description": "What is.",
		"properties": schema{
			shadow.AckKey: schema{
				"type": []any{"object", "null"},
				// It may be empty: a report that was given up and is carried out later deletes
				// from another document than it was made for, and no patch deletes what is left.
				"description":          "The answer to each desired value, by its key.",
				"additionalProperties": schema{"$ref": "#/$defs/answer"},
			},
			shadow.StatusKey: schema{"$ref": "#/$defs/status"},
			shadow.SyncKey:   schema{"$ref": "#/$defs/sync"},
		},
		"propertyNames":        schema{"anyOf": []any{schema{"enum": []any{shadow.AckKey, shadow.StatusKey, shadow.SyncKey}}, names}},
		"additionalProperties": schema{"$ref": "#/$defs/value"},
	}
}

// propertyNames is what a property may be called, as the configuration declares it.
func propertyNames() schema {
	names := schema{}
	for _, o := range objects(config.Configuration()) {
		for _, k := range o.Keys {
			if o.Name == "shadow" && k.Name == "properties" {
				limitText(names, k.Shape)
			}
		}
	}
	return names
}

func answerSchema() schema {
	var codes []any
	for _, c := range shadow.Codes {
		codes = append(codes, schema{"const": c.Code, "description": c.Meaning})
	}
	return objectOrNull("The answer to a desired value.", []any{"code", "version"}, schema{
		"code":    schema{"oneOf": codes},
		"version": schema{"type": "integer", "minimum": 1, "description": "Of the document that was answered."},
		"reason":  orNull(reasonSchema("What was wanted and what was found, or what it waits for." + nullWords)),
		"value":   schema{"$ref": "#/$defs/scalar", "description": "What was refused, with code 409."},
		"id":      schema{"type": []any{"string", "null"}, "description": "The ID of the command, if it has one."},
	})
}

func statusSchema() schema {
	return objectOrNull("What the component tells of itself. One that was killed stays running here.", []any{"running", "since", "version"}, schema{
		"running": schema{"type": "boolean", "description": "false after an orderly stop."},
		"since":   schema{"type": "string", "format": "date-time", "description": "When it started."},
		"version": schema{"type": "string", "description": "Of the component."},
		"faults": schema{
			"type": "object", "description": "What is wrong, by the label of the line, or under state, journal or configuration.",
			"minProperties": 1, "additionalProperties": orNull(reasonSchema("The fault." + nullWords)),
		},
	})
}

func membersSchema() schema {
	return schema{
		"type": "object", "description": "A setting that is an object.", "minProperties": 1,
		"additionalProperties": schema{"$ref": "#/$defs/scalar"},
	}
}

// scheduleSchema is a schedule as it is reported: as it was desired, and how far it
// has come.
func scheduleSchema() schema {
	text := schema{"type": []any{"string", "null"}}
	return object("A schedule that was adopted.", []any{"entries"}, schema{
		"zone":   orNull(schema{"type": "string", "description": "Time zone; UTC without it."}),
		"missed": orNull(schema{"enum": []any{"skip", "last"}, "description": "Whether the latest run that was missed is made up for."}),
		"grace":  orNull(schema{"type": "string", "pattern": durationText, "description": "For how long it is."}),
		"entries": schema{"type": "array", "description": "When something is switched.", "items": object("One of at, once and cron.", []any{"set"}, schema{
			"at": text, "once": text, "cron": text,
			"days": schema{"type": []any{"array", "null"}, "items": schema{"type": "string"}},
			"set":  schema{"enum": []any{"on", "off", true, false}},
		})},
		"next": schema{"$ref": "#/$defs/run", "description": "What comes next."},
		"last": schema{"$ref": "#/$defs/run", "description": "What was carried out last."},
		"over": orNull(schema{
			"type": "object", "description": "What became of entries for one moment, as they are written.", "minProperties": 1,
			"additionalProperties": schema{"enum": []any{"done", "missed", nil}},
		}),
		"waits": orNull(schema{"type": "string", "description": "What it waits for."}),
	})
}

func runSchema() schema {
	return objectOrNull("A run of a schedule.", []any{"at", "set"}, schema{
		"at":  schema{"type": "string", "format": "date-time"},
		"set": schema{"enum": []any{"on", "off"}},
	})
}

func reasonSchema(doc string) schema {
	return schema{"type": "string", "maxLength": shadow.MaxReason, "description": doc}
}

// object is the schema of an object without further members.
func object(doc string, required []any, properties schema) schema {
	return schema{"type": "object", "description": doc, "required": required, "properties": properties, "additionalProperties": false}
}

func objectOrNull(doc string, required []any, properties schema) schema {
	return orNull(object(doc+nullWords, required, properties))
}

func kindsInWords() string {
	var words []string
	for _, o := range objects(config.Configuration()) {
		if o.Name == "property" {
			for _, v := range o.Variants {
				words = append(words, v.Name+": "+v.Doc)
			}
		}
	}
	return "By kind of the property. " + strings.Join(words, "; ") + "."
}
